"""No request may fill memory or disk: bodies end at a bound, whoever sends them."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 20_000_000
"""Of a body of JSON; 10,000 photos with long URLs are half of it."""

MOST_UPLOAD_BYTES = 200_000_000
"""Of photos that come as files, together."""

_UPLOADS = {"/v1/batches/files", "/batches/new"}


class BodyLimit:
    """Refuses bodies that are too long, as soon as that is known.

    Args:
        app: What is served.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = MOST_UPLOAD_BYTES if scope["path"].rstrip("/") in _UPLOADS else MOST_BYTES
        announced = dict(scope["headers"]).get(b"content-length", b"")
        expected = int(announced) if announced.isdigit() else 0
        came = 0

        async def bounded() -> Message:
            nonlocal came
            if expected <= most:
                message = await receive()
                came += len(message.get("body", b""))
            if max(came, expected) > most:
                raise HTTPException(413, f"The body is over {most // 1_000_000} MB; send it in parts.")
            return message

        await self._app(scope, bounded, send)
