"""How the application is served: what uvicorn is told, wherever it runs."""

from typing import Any

from console.protocol import BoundedProtocol

OPTIONS: dict[str, Any] = {
    "http": BoundedProtocol,
    "ws": "none",
    # So many are taken at a time, too: at the limit of files asyncio tries as often before it lets others have a turn.
    "backlog": 128,
    "log_config": None,
    "access_log": False,
    "server_header": False,
    # Who may say where somebody comes from is ours to decide: PROXY_ADDRESSES.
    "proxy_headers": False,
    # Pages that are kept up to date hold their connections for ever.
    "timeout_graceful_shutdown": 5,
}
