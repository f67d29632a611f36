"""Names on the broker that producers and workers must agree on, and how both connect to it."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import ConnectionPool

from core.states import Lane

KEY_PREFIX = "cleanplate:broker:"
TASK_NAMES = {Lane.INTERACTIVE: "cleanplate.interactive", Lane.BULK: "cleanplate.bulk"}

UNACKED_KEY = KEY_PREFIX + "unacked"
"""Where the broker's client keeps each message that a worker has taken, whoever that was, alive or not."""
UNACKED_INDEX_KEY = KEY_PREFIX + "unacked_index"
"""When each of them was taken."""
HOLDERS_KEY = "cleanplate:holders"
"""The names of workers that say what they hold."""
HELD_PREFIX = "cleanplate:held:"
"""What a worker's name stands behind: the ids of jobs whose messages it has taken, gone when it falls silent."""
HELD_SECONDS = 3.0

VISIBILITY_SECONDS = 86_400
"""Counted by the clocks of workers, of which one may be hours wrong."""
SOCKET_SECONDS = 5


def celery_settings(redis_url: str) -> dict[str, Any]:
    """Return the Celery configuration shared by the dispatcher and the workers.

    Messages live for seconds and the database finds lost ones, so the broker needs no durability of its own; a long
    visibility timeout only keeps it from delivering a running job a second time.
    """
    url, tls = _without_tls(redis_url)
    return {
        "broker_url": url,
        "broker_use_ssl": tls,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "global_keyprefix": KEY_PREFIX,
            "visibility_timeout": VISIBILITY_SECONDS,
            "queue_order_strategy": "priority",
            "socket_keepalive": True,
            "socket_timeout": SOCKET_SECONDS * 3,
            "socket_connect_timeout": SOCKET_SECONDS,
        },
        "task_ignore_result": True,
        # No results are kept, yet each thread would make a backend of its own for them, which costs it 20 to 35 ms of
        # CPU in a search through every installed package.
        "result_backend_thread_safe": True,
        "task_store_errors_even_if_ignored": False,
        "task_acks_late": True,
        "task_create_missing_queues": True,
        "task_default_queue": Lane.BULK.value,
        "task_routes": {TASK_NAMES[lane]: {"queue": lane.value} for lane in Lane},
        "task_send_sent_event": True,
        "worker_send_task_events": True,
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": True,
        "worker_hijack_root_logger": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "enable_utc": True,
    }


def _without_tls(redis_url: str) -> tuple[str, dict[str, Any] | None]:
    """Return the URL without what it says of TLS, and that, as the clients read it that are not Celery's.

    Celery's client believes any server whose URL does not say how its certificate is looked at.
    """
    parts = urlsplit(redis_url)
    if parts.scheme != "rediss":
        return redis_url, None
    given = {
        name: value
        for name, value in ConnectionPool.from_url(redis_url).connection_kwargs.items()
        if name.startswith("ssl_")
    }
    others = [(name, value) for name, value in parse_qsl(parts.query) if name not in given]
    return parts._replace(query=urlencode(others)).geturl(), {"ssl_cert_reqs": "required", **given}
