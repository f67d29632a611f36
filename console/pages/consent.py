"""Asking on a page before something is done that spends money or cannot be taken back."""

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData

from actions.questions import Question
from console.pages.rendering import Pages
from console.pages.visitor import Visitor
from core.errors import Refused
from db.session import transact

AGREED = "agreed"
"""The field of a form that says for how many calls, or photos, somebody has said yes."""
MORE_THAN_AGREED = 1.1
"""While a batch runs more photos may end than were asked about; for a few of them nobody is asked again."""
SOME_MORE = 20

Ask = Callable[[Connection], Question | None]


class Consent:
    """Asks, and does what was asked for once somebody has said yes.

    Args:
        engine: The database.
        pages: Draws the question.
    """

    def __init__(self, engine: Engine, pages: Pages) -> None:
        self._engine = engine
        self._pages = pages

    def do(
        self,
        request: Request,
        visitor: Visitor,
        sent: FormData,
        *,
        ask: Ask,
        work: Callable[[Connection], str],
        back: str,
        instead: tuple[str, str] | None = None,
    ) -> Response:
        """Return the question, or do it and return to a page that says what came of it.

        Args:
            request: A form that was sent.
            visitor: Who sent it.
            sent: Its fields, which are sent again with the yes.
            ask: Returns the question; None when nothing is to be asked.
            work: Does it, and says what was done.
            back: The page that it is done from.
            instead: What should rather be done: a name and where.
        """
        question = transact(self._engine, ask)
        if question is not None and not is_agreed(question, sent):
            fields = [(name, value) for name, value in sent.multi_items() if name not in {AGREED, "csrf"}]
            return self._pages.show(
                request,
                "ask.html",
                visitor,
                question=question,
                agreed=question.calls or question.photos,
                fields=fields,
                back=back,
                instead=instead,
            )
        try:
            said = transact(self._engine, work)
        except Refused as error:
            said = str(error)
        return self._pages.go(back, said)


def is_agreed(question: Question, sent: FormData) -> bool:
    """Whether somebody has said yes to as much as is asked, or to a little less."""
    told = str(sent.get(AGREED) or "")
    if not (told.isascii() and told.isdecimal() and len(told) <= 12):
        return False
    agreed = int(told)
    return (question.calls or question.photos) <= max(agreed * MORE_THAN_AGREED, agreed + SOME_MORE * (agreed > 1))
