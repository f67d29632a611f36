"""`/v1/alarms`: how the whole stands, what is wrong, and saying that somebody knows."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy import Connection

from actions import alarms
from actions.alarms import MOST_HOURS
from actions.levels import Level
from actions.status import find_alarms, judge, look_around
from console.api.access import actor_of
from console.api.context import ApiContext
from console.api.fields import like
from console.api.inputs import ApiRequest
from console.api.once import IdempotencyKey, run_once
from console.api.outputs import ApiAnswer, ChangedOut
from console.api.problems import responses
from db.session import transact
from db.tokens import Scope, TokenRow

_EXAMPLE = {
    "level": "stopped",
    "what": "no worker is running, so 100 photos wait.",
    "since": "2026-01-02T03:04:05Z",
    "advice": "Start one: `cleanplate worker`, or `cleanplate up` for all.",
    "alarm": "no-worker",
    "acknowledged_by": None,
    "acknowledged_until": None,
}

Name = Annotated[str, Path(pattern="^[a-z-]{1,40}$", examples=["no-worker"])]


class StandingOut(ApiAnswer):
    """How the whole stands, or one alarm."""

    model_config = like(_EXAMPLE)

    level: Level
    what: str
    since: datetime | None
    advice: str = Field(description="The one thing to do next")
    alarm: str | None = Field(description="The alarm's name; null when all is well")
    acknowledged_by: str | None = Field(description="Who knows of it")
    acknowledged_until: datetime | None = Field(description="Until when it is quiet; null until it changes")


class AlarmsOut(ApiAnswer):
    """How the whole stands, and all alarms, the gravest first."""

    model_config = like({"standing": _EXAMPLE, "alarms": [_EXAMPLE]})

    standing: StandingOut
    alarms: list[StandingOut]


class AcknowledgeIn(ApiRequest):
    """For how long an alarm is to be quiet."""

    model_config = like({"hours": 8})

    hours: Annotated[float, Field(gt=0, le=MOST_HOURS)] | None = Field(
        None, description="Until it changes, unless told; an hour where nobody can tell whether it did"
    )


def alarms_router(tools: ApiContext) -> APIRouter:
    """Return the routes of alarms."""
    router = APIRouter(prefix="/alarms", tags=["alarms"], responses=responses(401, 403, 422))
    engine, settings = tools.engine, tools.settings
    Reader = Annotated[TokenRow, Depends(tools.require(Scope.READ))]
    Operator = Annotated[TokenRow, Depends(tools.require(Scope.OPERATE))]

    @router.get("", response_model=AlarmsOut)
    def show(_: Reader) -> AlarmsOut:
        """Say how the whole stands, and all that is wrong."""
        signs = transact(engine, lambda connection: look_around(connection, settings))
        return AlarmsOut(
            standing=StandingOut(**judge(signs).as_dict()),
            alarms=[StandingOut(**alarm.as_dict()) for alarm in find_alarms(signs)],
        )

    @router.post("/ask-now", response_model=ChangedOut, responses=responses(409))
    def ask_now(token: Operator, key: IdempotencyKey = None) -> JSONResponse:
        """Ask an API at once that is out, or refuses the account."""

        def work(connection: Connection) -> ChangedOut:
            alarms.ask_now(connection, actor_of(token), settings)
            return ChangedOut(changed=1)

        return run_once(engine, token, key, "ask now", work)

    @router.post("/{name}/acknowledge", response_model=ChangedOut, responses=responses(404, 409, 413, 415))
    def acknowledge(name: Name, asked: AcknowledgeIn, token: Operator, key: IdempotencyKey = None) -> JSONResponse:
        """Tell an alarm quietly until it changes."""

        def work(connection: Connection) -> ChangedOut:
            alarms.acknowledge(connection, actor_of(token), name, settings, hours=asked.hours)
            return ChangedOut(changed=1)

        return run_once(engine, token, key, f"acknowledge {name} {asked.hours}", work)

    @router.post("/{name}/raise", response_model=ChangedOut, responses=responses(404, 409))
    def raise_again(name: Name, token: Operator, key: IdempotencyKey = None) -> JSONResponse:
        """Tell an alarm aloud again that somebody acknowledged."""

        def work(connection: Connection) -> ChangedOut:
            alarms.raise_again(connection, actor_of(token), name)
            return ChangedOut(changed=1)

        return run_once(engine, token, key, f"raise {name}", work)

    return router
