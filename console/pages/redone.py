"""Doing chosen photos again: one area of each is erased, from what they came to so far."""

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from actions.questions import ask_redo
from actions.redo import RUNNING, do_again
from console.pages.consent import AGREED, is_agreed
from console.pages.forms import field_of
from console.pages.photos import Photos, seen_size_of
from console.pages.pictures import job_or_404
from console.pages.rendering import Pages
from console.pages.visitor import PageError, Visitor
from core.errors import CleanplateError, UsageError
from core.figures import count, counted
from core.settings import Settings
from db.session import transact

MOST_REDONE = 200
"""Each is read and kept first, which takes a moment."""
EDGES = ("left", "top", "width", "height")
WHOLE = 100.0


class Redoing:
    """Asks for an area and a yes, and has photos done again.

    Args:
        engine: The database.
        pages: Draws the question.
        photos: Reads what photos came to.
        settings: At what price.
    """

    def __init__(self, engine: Engine, pages: Pages, photos: Photos, settings: Settings) -> None:
        self._engine = engine
        self._pages = pages
        self._photos = photos
        self._settings = settings

    def do(
        self, request: Request, visitor: Visitor, sent: FormData, batch_id: int, ids: list[int], back: str
    ) -> Response:
        """Return the question, or do the photos again and return to a page that says so.

        Raises:
            UsageError: They are too many, or the area is none.
        """
        if len(ids) > MOST_REDONE:
            raise UsageError(
                f"At most {counted(MOST_REDONE, 'photo')} can be redone at a time; {count(len(ids))} are chosen."
            )
        question = ask_redo(len(ids), self._settings)
        if not is_agreed(question, sent):
            fields = [(name, value) for name, value in sent.multi_items() if name not in {AGREED, "csrf", *EDGES}]
            told = {edge: field_of(sent, edge) for edge in EDGES}
            return self._pages.show(
                request, "redo_many.html", visitor, question=question, fields=fields, back=back, edges=told
            )
        area = _read_area(sent)
        made, passed_over = 0, 0
        for job_id in ids:
            try:
                self._redo(visitor.user.name, batch_id, job_id, area)
                made += 1
            except (CleanplateError, PageError):
                # One that cannot be read, or is on its way, keeps none of the others.
                passed_over += 1
        also = f" {count(passed_over)} cannot be redone right now." if passed_over else ""
        done = (
            f"Redoing {counted(made, 'photo')}; each new result replaces the old one."
            if made
            else "Nothing was redone."
        )
        return self._pages.go(back, f"{done}{also}")

    def _redo(self, who: str, batch_id: int, job_id: int, area: tuple[float, ...]) -> None:
        job = job_or_404(self._engine, job_id)
        if job.batch_id != batch_id or job.state in RUNNING:
            raise PageError(409, "It is still in progress.")
        output = self._photos.output(job) if job.artifact_sha256 is not None else None
        size = seen_size_of(self._photos.source(job) if output is None else output)
        mask = _box(area, *size)

        def work(connection: Connection) -> None:
            do_again(connection, who, job_id, mask=mask, size=size, output=output)

        transact(self._engine, work)


def _read_area(sent: FormData) -> tuple[float, ...]:
    try:
        left, top, width, height = (float(field_of(sent, edge)) for edge in EDGES)
    except ValueError:
        raise UsageError("An area needs four numbers, in per cent of the photo.") from None
    # Also not a number is not inside.
    is_inside = 0 <= left < left + width <= WHOLE and 0 <= top < top + height <= WHOLE
    if not is_inside:
        raise UsageError("The area is outside the photo.")
    return left, top, width, height


def _box(area: tuple[float, ...], width: int, height: int) -> str:
    left, top, wide, high = (round(part / WHOLE * side) for part, side in zip(area, (width, height) * 2, strict=True))
    return f"box {left},{top},{max(1, min(wide, width - left))},{max(1, min(high, height - top))}"
