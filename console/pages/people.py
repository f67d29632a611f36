"""`/people`: who may use the console."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from actions import people
from console.pages.forms import Sent, field_of
from console.pages.passwords import flaw_of, hash_password
from console.pages.rendering import Pages, ShownOnce
from console.pages.visitor import Guard, PageError, Visitor
from core.errors import UsageError
from core.settings import Settings
from db import users
from db.session import transact
from db.users import Role


def people_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of people."""
    router = APIRouter(prefix="/people")
    Admin = Annotated[Visitor, Depends(guard.needs(Role.ADMIN))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.ADMIN))]

    def show_people(request: Request, visitor: Visitor, *, wrong: str = "", made: ShownOnce | None = None) -> Response:
        found = transact(engine, users.list_all)
        return pages.show(
            request,
            "people.html",
            visitor,
            status=422 if wrong else 200,
            people=found,
            roles=list(Role),
            wrong=wrong,
            made=made or [],
        )

    @router.get("")
    def all_people(request: Request, visitor: Admin) -> Response:
        return show_people(request, visitor)

    @router.post("")
    def add_person(request: Request, visitor: Acting, sent: Sent) -> Response:
        name, role = field_of(sent, "name"), str(sent.get("role") or "")
        password = str(sent.get("password") or "")
        if role not in set(Role):
            return show_people(request, visitor, wrong="There is no such role.")
        if password and (flaw := flaw_of(password, name)):
            return show_people(request, visitor, wrong=flaw)
        hashed = hash_password(password) if password else None
        try:
            transact(engine, lambda connection: people.add(connection, visitor.user.name, name, Role(role), hashed))
        except UsageError as error:
            return show_people(request, visitor, wrong=str(error))
        if password:
            return pages.go("/people", f"{name} can sign in now.")
        return link(request, name, visitor)

    @router.post("/{name}/link")
    def link(request: Request, name: str, visitor: Acting) -> Response:
        made = transact(engine, lambda connection: people.make_link(connection, visitor.user.name, name))
        return show_people(
            request,
            visitor,
            made=[(f"One-time sign-in link for {name}, valid for 15 minutes", f"{settings.web_url}/sign-in/{made}")],
        )

    @router.post("/{name}/role")
    def change_role(name: str, visitor: Acting, sent: Sent) -> Response:
        role = str(sent.get("role") or "")
        if role not in set(Role):
            raise PageError(422, "There is no such role. Nothing was changed.")
        transact(engine, lambda connection: people.change_role(connection, visitor.user.name, name, Role(role)))
        return pages.go("/people", f"{name} is now {role}.")

    @router.post("/{name}/remove")
    def remove(name: str, visitor: Acting) -> Response:
        transact(engine, lambda connection: people.remove(connection, visitor.user.name, name))
        return pages.go("/people", f"{name} has been removed.")

    return router
