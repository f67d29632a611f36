"""The report of a batch: `report.jsonl` with every photo, `report.html` to look at."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, select_autoescape
from sqlalchemy import Engine

from actions.samples import describe_sign_off
from core.errors import UnavailableError
from core.money import money
from core.shown import url_for_people
from core.states import JobState
from db import batches, costs, failures, samples, tallies
from db.listings import PhotoRow
from db.session import transact
from db.store.folder import write_whole
from exporting.folder import Exported, export_photos
from exporting.pictures import read_after, read_before, small

MOST_SHOWN = 400
THUMBNAIL_SIDE = 420
THUMBNAILS = "report_files"
REPORT_NAME = "report.html"
LINES_NAME = "report.jsonl"


def write_reports(engine: Engine, batch_id: int, out: Path, *, currency: str = "USD") -> Path:
    """Export the photos, write both reports and return the path of the HTML one.

    The page shows at most 400 photos, those that failed first, so that it opens at any size of batch;
    `report.jsonl` has them all.

    Args:
        engine: The database.
        batch_id: Whose.
        out: An existing folder.
        currency: Of what calls cost.

    Raises:
        UnavailableError: The folder's disk is full or refuses.
    """
    try:
        with Report(engine, batch_id, out, currency=currency) as report:
            for exported in export_photos(engine, batch_id, out):
                report.add(exported)
            return report.finish()
    except OSError as error:
        raise UnavailableError(
            f"Cannot write the report into {out}: {error.strerror}. Outputs are safe in the store; make room and run "
            f"`cleanplate export {batch_id} --to {out}`."
        ) from error


class Report:
    """What is said of a batch's photos as they go out one by one: `report.jsonl` has a line of each at once.

    Args:
        engine: The database.
        batch_id: Whose.
        out: An existing folder, where the report goes; the photos' own files need not be there.
        currency: Of what calls cost.

    Raises:
        OSError: The folder's disk is full or refuses; from every method.
    """

    def __init__(self, engine: Engine, batch_id: int, out: Path, *, currency: str = "USD") -> None:
        self._engine = engine
        self._batch_id = batch_id
        self._out = out
        self._currency = currency
        self._shown: list[Exported] = []
        self._failed: list[Exported] = []
        self._lines = (out / LINES_NAME).open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def add(self, exported: Exported) -> None:
        """Tell of one photo more."""
        self._lines.write(json.dumps(_row(exported, self._out), ensure_ascii=False) + "\n")
        target = self._shown if exported.path else self._failed
        if len(target) < MOST_SHOWN:
            target.append(exported)

    def finish(self) -> Path:
        """Write the page, and small pictures beside it; return its path."""
        self._lines.close()
        shown = (self._failed + self._shown)[:MOST_SHOWN]
        page = _render(self._engine, self._batch_id, shown, self._out, self._currency)
        write_whole(self._out / REPORT_NAME, page.encode())
        return self._out / REPORT_NAME


def _row(exported: Exported, out: Path) -> dict[str, Any]:
    row = asdict(exported.photo)
    row["source"] = url_for_people(row.pop("source_uri"))
    row["job"] = row.pop("job_id")
    del row["own_name"]
    row["file"] = str(exported.path.relative_to(out)) if exported.path else None
    row["seconds"] = _seconds(exported)
    row["cost"] = float(exported.photo.cost)
    for name in ("started_at", "finished_at"):
        value: datetime | None = row[name]
        row[name] = value.isoformat() if value else None
    return row


def _seconds(exported: Exported) -> float | None:
    started, finished = exported.photo.started_at, exported.photo.finished_at
    return round((finished - started).total_seconds(), 3) if started and finished else None


def _render(engine: Engine, batch_id: int, shown: list[Exported], out: Path, currency: str) -> str:
    (out / THUMBNAILS).mkdir(exist_ok=True)
    batch = transact(engine, lambda connection: batches.get(connection, batch_id))
    counts = transact(engine, lambda connection: tallies.counts(connection, batch_id))
    ended = transact(engine, lambda connection: failures.count_dead_by_code(connection, batch_id))
    spent = transact(engine, lambda connection: costs.spent(connection, batch_id))
    signed = transact(engine, lambda connection: samples.list_signed(connection, batch_id))
    environment = Environment(loader=PackageLoader("exporting"), autoescape=select_autoescape(), trim_blocks=True)
    return environment.get_template(REPORT_NAME).render(
        batch=batch,
        counts=counts,
        failures=ended,
        cost=money(spent.cost, currency) if spent.cost else None,
        currency=currency,
        money=money,
        signed=[describe_sign_off(sample) for sample in signed],
        photos=list(_cards(engine, shown, out)),
        left_out=counts.total - len(shown),
        made_at=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )


def _cards(engine: Engine, shown: list[Exported], out: Path) -> Iterator[dict[str, Any]]:
    for exported in shown:
        photo = exported.photo
        before = _thumbnail(
            out, f"{_key(photo.source_sha256, photo)}-before.jpg", partial(read_before, engine, photo.source_uri)
        )
        after = None
        if photo.artifact_sha256 is not None:
            read = partial(_read_output, engine, exported)
            after = _thumbnail(out, f"{_key(photo.artifact_sha256, photo)}-after.jpg", read)
        yield {
            "photo": photo,
            "before": before,
            "after": after,
            "file": quote(exported.path.relative_to(out).as_posix()) if exported.path else None,
            "seconds": _seconds(exported),
            "good": photo.state == JobState.SUCCEEDED,
            "commands": _commands(photo),
        }


def _commands(photo: PhotoRow) -> list[str]:
    """Return what to type about a photo that waits for a person."""
    if photo.state != JobState.HELD:
        return []
    if photo.artifact_sha256 is None:
        return [f"cleanplate retry {photo.batch_id} --held"]
    return [f"cleanplate accept {photo.job_id}", f"cleanplate reject {photo.job_id}"]


def _read_output(engine: Engine, exported: Exported) -> bytes | None:
    if exported.path is not None and exported.path.exists():
        return exported.path.read_bytes()
    return read_after(engine, exported.photo.artifact_sha256)


def _key(sha256: str | None, photo: PhotoRow) -> str:
    # By content: another batch in the same folder must not find the pictures of this one.
    return sha256[:24] if sha256 else f"{photo.batch_id}-{photo.job_id}"


def _thumbnail(out: Path, name: str, read: Callable[[], bytes | None]) -> str | None:
    path = out / THUMBNAILS / name
    if not path.exists():
        picture = small(read(), THUMBNAIL_SIDE)
        if picture is None:
            return None
        write_whole(path, picture)
    return f"{THUMBNAILS}/{name}"
