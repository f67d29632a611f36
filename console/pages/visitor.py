"""Who looks at a page, what they may do, and whether a form came from one of our pages."""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine
from starlette.datastructures import FormData

from console.pages.forms import Sent
from core.errors import UsageError
from core.settings import Settings
from db import users
from db.session import transact
from db.users import Role, UserRow

COOKIE = "cleanplate_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"


class SignInNeeded(Exception):
    """Nobody is signed in; `then` is where they wanted to go."""

    def __init__(self, then: str) -> None:
        super().__init__(then)
        self.then = then


class PageError(Exception):
    """A page cannot be shown, or what was asked of it cannot be done.

    Args:
        status: HTTP's.
        message: What happened, what was kept and what to do, for a person.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page.

    Args:
        user: The person.
        cookie: What their browser is signed in with; empty behind a proxy that signs people in.
    """

    user: UserRow
    cookie: str = field(repr=False)

    @property
    def csrf(self) -> str:
        """What every form of theirs has to bring back."""
        return hmac.digest(self.user.form_key.encode(), self.cookie.encode(), "sha256").hex()

    def may(self, role: str) -> bool:
        """Whether they may do what takes this role."""
        return self.user.role.includes(Role(role))


Require = Callable[[Request], Visitor]


class Guard:
    """Lets people in.

    Args:
        engine: The database.
        settings: How long a browser stays signed in, and which proxy may say who somebody is.

    Raises:
        UsageError: PROXY_ADDRESSES cannot be read.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._idle_seconds = settings.session_hours * 3600.0
        self._header = settings.proxy_user_header
        try:
            told = [part.strip() for part in settings.proxy_addresses.split(",") if part.strip()]
            self._proxies = [ipaddress.ip_network(part, strict=False) for part in told]
        except ValueError as error:
            raise UsageError(f"PROXY_ADDRESSES: {error}; write addresses or networks, such as 10.0.0.0/8.") from error

    def find(self, request: Request) -> Visitor | None:
        """Return who is signed in, or None.

        Raises:
            PageError: 403, when the proxy names somebody whom nobody has let in.
        """
        if self._header and (name := request.headers.get(self._header)) and self._is_proxy(request):
            return self._of_proxy(name)
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        user = transact(self._engine, lambda connection: users.find_session(connection, cookie, self._idle_seconds))
        return Visitor(user, cookie) if user is not None else None

    def needs(self, role: Role) -> Require:
        """Return a dependency that gives the visitor, who must have this role."""

        def check(request: Request) -> Visitor:
            visitor = self.find(request)
            if visitor is None:
                raise SignInNeeded(_wanted(request))
            if not visitor.may(role):
                raise PageError(
                    403,
                    f"You are signed in as {visitor.user.role.value}; this needs {role.value}. Nothing was changed.",
                )
            return visitor

        return check

    def acting(self, role: Role) -> Callable[[Request, Visitor, FormData], Visitor]:
        """Return a dependency as `needs` does, for what a form of ours asks."""
        needs = self.needs(role)

        def ask(request: Request) -> Visitor:
            check_origin(request)
            return needs(request)

        # Who may not send anything is told so before their files are read: dependencies come in this order.
        def check(
            request: Request,
            visitor: Annotated[Visitor, Depends(ask)],
            form: Sent,
        ) -> Visitor:
            told = request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD)
            if not isinstance(told, str) or not hmac.compare_digest(told.encode(), visitor.csrf.encode()):
                raise PageError(403, "This form has expired. Nothing was changed; reload the page.")
            return visitor

        return check

    def address_of(self, request: Request) -> str:
        """Return where a request comes from: what our proxy says, or who is connected."""
        passed_on = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return passed_on if passed_on and self._is_proxy(request) else _peer(request)

    def _is_proxy(self, request: Request) -> bool:
        try:
            address = ipaddress.ip_address(_peer(request))
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    def _of_proxy(self, name: str) -> Visitor:
        user = transact(self._engine, lambda connection: users.find(connection, name))
        if user is None:
            raise PageError(
                403,
                f"You are signed in as {name!r}, but nobody has added you. An admin can, with `cleanplate user add`.",
            )
        return Visitor(user, "")


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def check_origin(request: Request) -> None:
    """Refuse what another site's page sends.

    Raises:
        PageError: 403.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise PageError(403, "This came from another site's page. Nothing was changed.")


def form_token(cookie: str) -> str:
    """Return what a form brings back that somebody fills in who is not signed in yet."""
    return hashlib.sha256(f"form {cookie}".encode()).hexdigest()


def _wanted(request: Request) -> str:
    if request.method != "GET":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
