"""`/people`: who may use the console."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Engine
from starlette.datastructures import FormData

from console.pages.acts import Made, act, told
from console.pages.passwords import flaw_of, hash_password
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor, read_form
from core.settings import Settings
from db import users
from db.session import transact
from db.users import Role


def people_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of people."""
    router = APIRouter(prefix="/people")
    Admin = Annotated[Visitor, Depends(guard.needs(Role.ADMIN))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.ADMIN))]
    Sent = Annotated[FormData, Depends(read_form)]

    def show_people(request: Request, visitor: Visitor, *, wrong: str = "", made: Made | None = None) -> Response:
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
        name, role = told(sent, "name"), str(sent.get("role") or "")
        password = str(sent.get("password") or "")
        if flaw := users.flaw_of_name(name):
            return show_people(request, visitor, wrong=flaw)
        if role not in set(Role):
            return show_people(request, visitor, wrong="There is no such role.")
        if password and (flaw := flaw_of(password)):
            return show_people(request, visitor, wrong=flaw)
        hashed = hash_password(password) if password else None
        person = act(
            engine,
            visitor,
            "add person",
            name,
            lambda connection: users.add(connection, name, Role(role), hashed),
            role,
        )
        if person is None:
            return show_people(request, visitor, wrong=f"There is a {name} already.")
        if password:
            return pages.go("/people", f"{name} may sign in now.")
        return link(request, name, visitor)

    @router.post("/{name}/link")
    def link(request: Request, name: str, visitor: Acting) -> Response:
        person = transact(engine, lambda connection: users.find(connection, name))
        if person is None:
            raise PageError(404, f"There is no {name}.")
        made = act(engine, visitor, "make link", name, lambda connection: users.make_link(connection, person.id))
        return show_people(
            request,
            visitor,
            made=[(f"Link that signs {name} in once, within 15 minutes", f"{settings.web_url}/sign-in/{made}")],
        )

    @router.post("/{name}/role")
    def change_role(name: str, visitor: Acting, sent: Sent) -> Response:
        role = str(sent.get("role") or "")
        if role not in set(Role):
            raise PageError(422, "There is no such role. Nothing was changed.")
        _not_oneself(visitor, name)
        done = act(
            engine, visitor, "change role", name, lambda connection: users.set_role(connection, name, Role(role)), role
        )
        return pages.go("/people", f"{name} is {role} now." if done else f"There is no {name}.")

    @router.post("/{name}/remove")
    def remove(name: str, visitor: Acting) -> Response:
        _not_oneself(visitor, name)
        done = act(engine, visitor, "remove person", name, lambda connection: users.remove(connection, name))
        return pages.go("/people", f"{name} is shut out." if done else f"There is no {name}.")

    return router


def _not_oneself(visitor: Visitor, name: str) -> None:
    if visitor.user.name == name:
        raise PageError(409, "Nobody takes their own rights away; ask another admin. Nothing was changed.")
