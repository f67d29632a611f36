"""Errors as pages, for people; programs get problem details."""

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from console.api.problems import problem
from console.no_room import refusal_of
from console.pages.rendering import HEADERS, Pages
from console.pages.visitor import Guard, PageError, SignInNeeded, Visitor
from core.errors import CleanplateError, DatabaseBusy, DatabaseDown, NotFound, Refused, UsageError

PROGRAMS = ("/v1", "/webhooks", "/artifacts")
"""Whoever asks here is told in JSON, whatever they say they take."""


def add_page_errors(app: FastAPI, guard: Guard, pages: Pages) -> Callable[[Request], Response]:
    """Make what goes wrong on a page a page; call it after the handlers of problems are added.

    Returns:
        What answers a request that failed as nobody foresaw.
    """

    def show(request: Request, status: int, message: str) -> Response:
        return pages.show(request, "error.html", visitor(request), status=status, message=message, error_status=status)

    def visitor(request: Request) -> Visitor | None:
        try:
            return guard.find(request)
        except (PageError, CleanplateError):
            return None

    @app.exception_handler(SignInNeeded)
    def sign_in(request: Request, error: SignInNeeded) -> Response:
        if not _is_page(request):
            return problem(401, "Sign in first.")
        return RedirectResponse(f"/sign-in?then={quote(error.then, safe='')}", 303, HEADERS)

    @app.exception_handler(PageError)
    def cannot(request: Request, error: PageError) -> Response:
        if not _is_page(request):
            return problem(error.status, error.message)
        return show(request, error.status, error.message)

    def both(kind: type[Exception], told: Callable[[Request, Any], tuple[int, str]]) -> None:
        as_problem = cast("Callable[[Request, Exception], JSONResponse]", app.exception_handlers[kind])

        @app.exception_handler(kind)
        def handle(request: Request, error: Exception) -> Response:
            if not _is_page(request):
                return as_problem(request, error)
            status, message = told(request, error)
            return show(request, status, message)

    both(HTTPException, lambda _, error: _of_http(refusal_of(error) or error))
    both(OSError, lambda _, error: _of_system(error))
    both(RequestValidationError, lambda *_: (422, "The address or the form is not valid. Nothing was changed."))
    both(UsageError, lambda _, error: (422, f"{error} Nothing was changed."))
    both(NotFound, lambda _, error: (404, str(error)))
    both(Refused, lambda _, error: (409, f"{error} Nothing was changed."))
    both(DatabaseDown, lambda _, error: (503, f"{_of_database(error)} Nothing is lost; try again in a moment."))

    def unforeseen(request: Request) -> Response:
        # Others are not told what is inside.
        message = "Something unexpected went wrong; see the log. Nothing from this request was kept."
        return show(request, 500, message) if _is_page(request) else problem(500, f"{message} Try again.")

    return unforeseen


def _is_page(request: Request) -> bool:
    path = request.url.path
    if any(path == each or path.startswith(f"{each}/") for each in PROGRAMS):
        return False
    return "text/html" in request.headers.get("accept", "")


def _of_database(error: DatabaseDown) -> str:
    return f"The database {'is too busy' if isinstance(error, DatabaseBusy) else 'does not answer'}."


def _of_http(error: HTTPException) -> tuple[int, str]:
    return error.status_code, "There is no such page." if error.status_code == 404 else str(error.detail)


def _of_system(error: OSError) -> tuple[int, str]:
    if (refused := refusal_of(error)) is None:
        raise error
    return _of_http(refused)
