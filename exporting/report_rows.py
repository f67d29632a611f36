"""A photo as the report's tables have it: a JSON object of `report.jsonl`, a row of `report.csv`."""

from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from core.shown import cell_for_spreadsheet, url_for_people
from db.listings import PhotoRow
from exporting.folder import Exported

_RENAMED = {"job_id": "job", "source_uri": "source"}
# What it is called without what its server said is of no use to anybody.
_TOLD = tuple(each.name for each in fields(PhotoRow) if each.name != "own_name")
COLUMNS = (*(_RENAMED.get(name, name) for name in _TOLD), "file", "seconds")


def as_object(exported: Exported, out: Path) -> dict[str, Any]:
    """Return what a program reads of a photo.

    Args:
        exported: The photo, and where its output went.
        out: The report's folder.
    """
    photo = exported.photo
    told: dict[str, Any] = {_RENAMED.get(name, name): getattr(photo, name) for name in _TOLD}
    told |= {"source": url_for_people(photo.source_uri), "cost": float(photo.cost)}
    told |= {"file": str(exported.path.relative_to(out)) if exported.path else None, "seconds": seconds_of(photo)}
    for name in ("started_at", "finished_at"):
        value: datetime | None = told[name]
        told[name] = value.isoformat() if value else None
    return told


def as_cells(told: dict[str, Any]) -> list[str]:
    """Return the same as a row of a spreadsheet, in the order of `COLUMNS`."""
    return [cell_for_spreadsheet(_cell(told[name])) for name in COLUMNS]


def seconds_of(photo: PhotoRow) -> float | None:
    """Return how long a photo took from its start to its end, in seconds; None when it has not ended."""
    started, finished = photo.started_at, photo.finished_at
    return round((finished - started).total_seconds(), 3) if started and finished else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
