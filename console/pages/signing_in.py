"""Signing in and out: with a password, with a one-time link, or by a proxy that did it already."""

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from console.pages.forms import Sent
from console.pages.passwords import LONGEST_NAME, Guesses, TooManyAtOnce, hash_password, is_dated, is_right, mark_of
from console.pages.rendering import Pages
from console.pages.visitor import COOKIE, CSRF_FIELD, Guard, PageError, Visitor, check_origin, form_token
from console.pools import SIGNING_IN
from core.figures import duration
from db import audit, users
from db.session import transact
from db.users import Role, UserRow

FORM_COOKIE = "cleanplate_form"
KNOWN_COOKIE = "cleanplate_known"
KNOWN_SECONDS = 365 * 86_400
CROWDED = "Too many people are signing in right now; try again."
WRONG = "Wrong name or password."


def signing_in_router(engine: Engine, guard: Guard, pages: Pages) -> APIRouter:
    """Return the routes of signing in and out."""
    router = APIRouter()
    guesses = Guesses()

    def show_form(request: Request, *, then: str, status: int = 200, wrong: str = "", name: str = "") -> Response:
        cookie = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(16)
        page = pages.show(
            request, "sign_in.html", None, status=status, then=then, wrong=wrong, name=name, token=form_token(cookie)
        )
        page.set_cookie(FORM_COOKIE, cookie, httponly=True, samesite="strict", secure=pages.is_secure)
        return page

    def let_in(user: UserRow, how: str, then: str) -> Response:
        def work(connection: Connection) -> str:
            audit.note(connection, user.name, "sign in", detail=how)
            return users.open_session(connection, user.id)

        page = pages.go(then)
        cookie = transact(engine, work)
        page.set_cookie(COOKIE, cookie, httponly=True, samesite="lax", secure=pages.is_secure)
        _mark(page, user, is_secure=pages.is_secure)
        return page

    @router.get("/sign-in")
    def form(request: Request, then: str = "/") -> Response:
        if guard.find(request) is not None:
            return pages.go(local(then))
        return show_form(request, then=local(then))

    @router.post("/sign-in")
    @SIGNING_IN.serves
    def sign_in(request: Request, sent: Sent) -> Response:
        check_origin(request)
        name, password, then = (str(sent.get(each) or "") for each in ("name", "password", "then"))
        # NUL is in no name, and PostgreSQL takes none.
        name = name.replace("\0", "\ufffd")[: LONGEST_NAME + 1]
        token, cookie = str(sent.get(CSRF_FIELD) or ""), request.cookies.get(FORM_COOKIE, "")
        if not cookie or not hmac.compare_digest(token.encode(), form_token(cookie).encode()):
            return show_form(
                request, then=local(then), status=403, wrong="This form has expired; try again.", name=name
            )
        address = guard.address_of(request)
        known = _is_known(request, transact(engine, lambda connection: users.find(connection, name)))
        if wait := guesses.take(name, address, is_known=known):
            wrong = f"Too many wrong passwords. Try again in {duration(wait)}."
            return show_form(request, then=local(then), status=429, wrong=wrong, name=name)
        kept = transact(engine, lambda connection: users.password_hash(connection, name))
        if (right := _is_right(kept, password)) is None:
            return show_form(request, then=local(then), status=503, wrong=CROWDED, name=name)
        if not right:
            transact(engine, lambda connection: audit.note(connection, name, "sign in refused", detail=address))
            return show_form(request, then=local(then), status=403, wrong=WRONG, name=name)
        guesses.forgive(name, address, is_known=known)
        if kept is not None and is_dated(kept):
            hashed = hash_password(password)
            transact(engine, lambda connection: users.rehash_password(connection, name, hashed))
        user = transact(engine, lambda connection: users.find(connection, name))
        if user is None:
            return show_form(request, then=local(then), status=403, wrong=WRONG, name=name)
        return let_in(user, "password", local(then))

    @router.get("/sign-in/{told}")
    def ask(request: Request, told: str) -> Response:
        # A link that is only looked at, by a chat's preview for instance, must not be used up by that.
        return pages.show(request, "sign_in_link.html", None, told=told)

    @router.post("/sign-in/{told}")
    def follow(request: Request, told: str) -> Response:
        check_origin(request)
        user = transact(engine, lambda connection: users.use_link(connection, told))
        if user is None:
            raise PageError(403, "This link has been used or has expired. `cleanplate user link NAME` makes a new one.")
        return let_in(user, "link", "/")

    @router.post("/sign-out")
    def sign_out(visitor: Annotated[Visitor, Depends(guard.acting(Role.VIEWER))]) -> Response:
        def work(connection: Connection) -> None:
            users.close_session(connection, visitor.cookie)
            audit.note(connection, visitor.user.name, "sign out")

        transact(engine, work)
        page = pages.go("/sign-in", "You are signed out.")
        page.delete_cookie(COOKIE)
        return page

    return router


def _is_right(kept: str | None, password: str) -> bool | None:
    try:
        return is_right(kept, password)
    except TooManyAtOnce:
        return None


def _mark(page: Response, user: UserRow, *, is_secure: bool) -> None:
    mark = mark_of(user.form_key, user.name)
    page.set_cookie(
        KNOWN_COOKIE, mark, KNOWN_SECONDS, path="/sign-in", httponly=True, samesite="strict", secure=is_secure
    )


def _is_known(request: Request, user: UserRow | None) -> bool:
    told = request.cookies.get(KNOWN_COOKIE, "")
    return user is not None and hmac.compare_digest(told.encode(), mark_of(user.form_key, user.name).encode())


def local(then: str) -> str:
    """Return a path of ours to go on to; never another site's address."""
    is_ours = then.startswith("/") and not then.startswith("//") and "\\" not in then and then.isprintable()
    return then if is_ours and not then.startswith("/sign-") else "/"
