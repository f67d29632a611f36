"""Which photos of a contact sheet a form, or an address, is about."""

import math
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query
from sqlalchemy import Connection
from starlette.datastructures import FormData

from console.api.fields import MOST_ID
from console.pages.visitor import PageError
from core.errors import UsageError
from core.figures import counted
from db import sheets
from db.sheets import MOST_CHOSEN, PageEnd, SheetOrder, SheetScope, Show

Ids = Annotated[str, Query(max_length=8000, pattern=r"^[0-9,]*$")]
Told = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class SheetFilter:
    """What a contact sheet shows, and in which order."""

    show: Show = Show.OUTPUTS
    code: str = ""
    order: SheetOrder = SheetOrder.DOUBT

    def query(self, place: PageEnd | None = None, **more: object) -> str:
        """Return the query of a page's URL."""
        told: dict[str, object] = {"show": self.show.value, "code": self.code, "order": self.order.value} | more
        if place is not None:
            told |= {"key": place.key, "after": place.id, "middle": place.middle}
        return urlencode({name: value for name, value in told.items() if value not in {"", None}})

    def scope(self, batch_id: int, ids: str = "") -> SheetScope:
        """Return these photos of a batch, or some of them by their ids."""
        return SheetScope(batch_id, self.show, self.code, tuple(_numbers(ids)) if ids else None)


def choose_sheet(show: Told = "", code: Told = "", order: Told = "") -> SheetFilter:
    """Return what an address asks for; what there is none of is not filtered or sorted by."""
    return SheetFilter(
        Show(show) if show in set(Show) else Show.OUTPUTS,
        code.strip(),
        SheetOrder(order) if order in set(SheetOrder) else SheetOrder.DOUBT,
    )


def choose_place(
    key: Told = "",
    after: Annotated[int | None, Query(ge=0, le=MOST_ID)] = None,
    middle: Annotated[float, Query(ge=-100, le=100, allow_inf_nan=False)] = 0.0,
    order: Told = "",
) -> PageEnd | None:
    """Return where a page begins; None for the first, and for an address that nobody was given."""
    if after is None or (order not in {SheetOrder.NAME, SheetOrder.CAME} and not _is_finite(key)):
        return None
    return PageEnd(key, after, middle)


ChosenSheet = Annotated[SheetFilter, Depends(choose_sheet)]
ChosenPlace = Annotated[PageEnd | None, Depends(choose_place)]


def _is_finite(key: str) -> bool:
    try:
        return math.isfinite(float(key))
    except ValueError:
        return False


def filter_of(sent: FormData) -> SheetFilter:
    """Return the filter that a form was sent from."""
    told = [str(sent.get(name) or "")[:500].replace("\0", "") for name in ("show", "code", "order")]
    return choose_sheet(*told)


def chosen_in(connection: Connection, batch_id: int, sent: FormData) -> list[int]:
    """Return the photos that a form is about: those ticked, or all of its filter but some.

    Raises:
        UsageError: None is chosen, or more than one decision may be about.
    """
    if sent.get("all"):
        scope = filter_of(sent).scope(batch_id)
        if sheets.count(connection, scope) > MOST_CHOSEN:
            raise UsageError(f"One decision can cover at most {counted(MOST_CHOSEN, 'photo')}; narrow the filter.")
        left_out = set(_numbers(str(sent.get("except") or "")))
        return [job_id for job_id in sheets.find_ids(connection, scope) if job_id not in left_out]
    ids = ticked_in(sent)
    if not ids:
        raise UsageError("No photos are chosen.")
    return ids


def decision_in(sent: FormData) -> UUID:
    """Return which decision a form takes back.

    Raises:
        PageError: 422, when it names none.
    """
    try:
        return UUID(str(sent.get("decision") or ""))
    except ValueError:
        raise PageError(422, "There is nothing to take back.") from None


def ticked_in(sent: FormData) -> list[int]:
    """Return the photos that are ticked in a form, by id."""
    return _numbers(",".join(str(each) for each in (*sent.getlist("job"), sent.get("jobs") or "")))


def _numbers(told: str) -> list[int]:
    parts = [part for part in told.split(",") if part]
    if len(parts) > MOST_CHOSEN or not all(part.isascii() and part.isdecimal() and len(part) <= 18 for part in parts):
        raise PageError(422, f"Choose at most {counted(MOST_CHOSEN, 'photo')}. Nothing was changed.")
    return sorted(set(map(int, parts)))
