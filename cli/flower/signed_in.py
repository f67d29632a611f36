# mypy: disable-error-code="misc, no-untyped-call"
"""Flower for whom the console hands over: no second password, for an hour at a time."""

import time
from typing import Any
from urllib.parse import quote

from flower.views import BaseHandler
from flower.views.auth import is_safe_redirect
from tornado.web import Finish, HTTPError

from core.handover import Used, read_handover

COOKIE = "cleanplate_flower"
DAYS_LET_IN = 1 / 24
"""Then the console is asked again, so that who may not see Flower any more is let in no longer than that."""
DAYS_KNOWN = 1.0
"""So long a browser is sent back to the console, rather than asked for a password."""

_ask_for_password = BaseHandler.get_current_user


def let_in(handler: BaseHandler) -> Any:
    """Return who looks: whom the console handed over, or who knows the password."""
    if handler.get_secure_cookie(COOKIE, max_age_days=DAYS_LET_IN):
        return True
    is_page = handler.request.method == "GET" and "text/html" in handler.request.headers.get("Accept", "")
    has_password = "Authorization" in handler.request.headers
    if is_page and not has_password and handler.get_secure_cookie(COOKIE, max_age_days=DAYS_KNOWN):
        handler.redirect(f"{handler.application.console_url}/flower?then={quote(handler.request.path)}")
        raise Finish
    return _ask_for_password(handler)


class FromConsole(BaseHandler):
    """Lets in whom the console hands over."""

    def initialize(self, secret: str, used: Used, *, is_secure: bool) -> None:
        """Keep what a word is checked with."""
        self._secret = secret
        self._used = used
        self._is_secure = is_secure

    async def get(self) -> None:
        """Check the word, and go on to the page that was asked for."""
        now = time.time()
        handover = read_handover(self._secret, self.get_argument("word", "", escape=False), now)
        if handover is None or not self._used.use(handover, now):
            raise HTTPError(403, "This link was used before, or is too old: open Flower from the console again.")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_secure_cookie(COOKIE, handover.name, expires_days=DAYS_KNOWN, secure=self._is_secure)
        then = self.get_argument("then", "/", escape=False)
        self.redirect(then if is_safe_redirect(then) else "/")

    def _request_summary(self) -> str:
        # The word stands in no log.
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"


def install() -> None:
    """Have every page of Flower let in whom the console handed over."""
    BaseHandler.get_current_user = let_in
