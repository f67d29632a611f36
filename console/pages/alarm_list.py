"""`/alarms`: what is wrong at present, and who knows of it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from sqlalchemy import Engine

from actions import alarms
from console.pages.forms import Sent, field_of
from console.pages.overview import Glances
from console.pages.rendering import Pages
from console.pages.visitor import Guard, Visitor
from core.errors import UsageError
from core.settings import Settings
from db.session import transact
from db.users import Role

Name = Annotated[str, Path(pattern="^[a-z-]{1,40}$")]
CHOICES = {"": "until it changes", "1": "for an hour", "8": "for 8 hours", "24": "for a day"}


def alarms_router(engine: Engine, guard: Guard, pages: Pages, glances: Glances, settings: Settings) -> APIRouter:
    """Return the routes of alarms."""
    router = APIRouter(prefix="/alarms")
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]

    @router.get("")
    def show(request: Request, visitor: Viewer) -> Response:
        return pages.show(request, "alarms.html", visitor, alarms=glances.take().alarms, choices=CHOICES)

    @router.post("/ask-now")
    def ask_now(visitor: Acting) -> Response:
        transact(engine, lambda connection: alarms.ask_now(connection, visitor.user.name, settings))
        glances.forget()
        return pages.go("/alarms", "The API is asked at once, as soon as a photo waits.")

    @router.post("/{name}/acknowledge")
    def acknowledge(name: Name, visitor: Acting, sent: Sent) -> Response:
        told = field_of(sent, "hours")
        if told not in CHOICES:
            raise UsageError("There is no such choice. Nothing was changed.")
        by, hours = visitor.user.name, float(told) if told else None
        known = transact(engine, lambda connection: alarms.acknowledge(connection, by, name, settings, hours=hours))
        glances.forget()
        return pages.go("/alarms", f"The alarm is {known}.")

    @router.post("/{name}/raise")
    def raise_again(name: Name, visitor: Acting) -> Response:
        transact(engine, lambda connection: alarms.raise_again(connection, visitor.user.name, name))
        glances.forget()
        return pages.go("/alarms", "The alarm is told aloud again.")

    return router
