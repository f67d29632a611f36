"""Errors as RFC 9457 problem details."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from console.no_room import refusal_of
from core.errors import DatabaseBusy, DatabaseDown, NotFound, RedisDown, Refused, UsageError

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field("about:blank", description="A URI of the kind of problem")
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no batch 7."])
    errors: list[dict[str, Any]] | None = Field(None, description="What is wrong with which field")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how these errors are described in the OpenAPI document."""
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def add_problem_handlers(app: FastAPI) -> None:
    """Make every error of an application a problem."""

    @app.exception_handler(HTTPException)
    def told(_: Request, error: HTTPException) -> JSONResponse:
        error = refusal_of(error) or error
        return problem(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(OSError)
    def of_system(request: Request, error: OSError) -> JSONResponse:
        if (refused := refusal_of(error)) is None:
            raise error
        return told(request, refused)

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, error: RequestValidationError) -> JSONResponse:
        if any(issue["loc"] == ("body",) for issue in error.errors()) and not _is_json(request):
            sent = request.headers.get("content-type", "nothing")[:80]
            return problem(415, f"This takes application/json, and {sent} was sent.")
        errors = [
            {"field": ".".join(str(part) for part in issue["loc"]), "message": issue["msg"]} for issue in error.errors()
        ]
        where = "; ".join(f"{each['field']}: {each['message']}" for each in errors[:5])
        return problem(422, f"The request cannot be used: {where}.", errors=errors)

    @app.exception_handler(UsageError)
    def unusable(_: Request, error: UsageError) -> JSONResponse:
        return problem(422, str(error))

    @app.exception_handler(NotFound)
    def not_there(_: Request, error: NotFound) -> JSONResponse:
        return problem(404, str(error))

    @app.exception_handler(Refused)
    def refused(_: Request, error: Refused) -> JSONResponse:
        return problem(409, str(error))

    @app.exception_handler(DatabaseDown)
    def no_database(_: Request, error: DatabaseDown) -> JSONResponse:
        what = "is too busy" if isinstance(error, DatabaseBusy) else "does not answer"
        return problem(503, f"The database {what}; try again.", headers={"Retry-After": "5"})

    @app.exception_handler(RedisDown)
    def no_redis(_: Request, _error: RedisDown) -> JSONResponse:
        return problem(503, "Redis does not answer; try again.", headers={"Retry-After": "5"})


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, errors: list[dict[str, Any]] | None = None
) -> JSONResponse:
    """Return a response that says what went wrong."""
    told = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
    return JSONResponse(told.model_dump(exclude_none=True), status, dict(headers or {}), MEDIA_TYPE)
