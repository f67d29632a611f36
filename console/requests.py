"""An id for every request, in its answer and in every line that is logged for it, whatever becomes of it."""

import logging
import re
import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import logs

log = logging.getLogger(__name__)

HEADER = b"x-request-id"
WELL_FORMED = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")


class RequestIds:
    """Takes a request's id from its header, or makes one.

    Args:
        app: What is served.
        unforeseen: Answers a request that failed as nobody foresaw.
    """

    def __init__(self, app: ASGIApp, unforeseen: Callable[[Request], Response]) -> None:
        self._app = app
        self._unforeseen = unforeseen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(HEADER, b"")
        request_id = given if WELL_FORMED.fullmatch(given) else secrets.token_hex(8).encode()

        is_answered = False

        async def answer(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                message["headers"] = [*message.get("headers", []), (HEADER, request_id)]
            await send(message)

        with logs.bound(request_id=request_id.decode()):
            try:
                await self._app(scope, receive, answer)
            except Exception:
                log.exception("a request failed: %s %s", scope["method"], scope["path"])
                if is_answered:
                    raise
                await self._unforeseen(Request(scope))(scope, receive, answer)
