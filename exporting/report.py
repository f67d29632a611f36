"""The report of a batch: `report.html` to look at, `report.jsonl` and `report.csv` for programs, of all photos."""

import base64
import csv
import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup
from sqlalchemy import Engine

from actions.samples import describe_sign_off
from core.errors import UnavailableError
from core.figures import count, counted, duration, moment, percent
from core.money import money
from core.states import JobState, called
from db import batches, costs, failures, samples, tallies
from db.listings import PhotoRow
from db.session import transact
from db.store.folder import write_parts, write_whole
from exporting.folder import Exported, export_photos
from exporting.pictures import LARGEST_KEPT, SHOWN, preview, read_after, read_before
from exporting.report_rows import COLUMNS, as_cells, as_object, seconds_of

PICTURES = "report_files"
REPORT_NAME = "report.html"
LINES_NAME = "report.jsonl"
TABLE_NAME = "report.csv"
_BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheets read UTF-8 as something else."""


def write_reports(engine: Engine, batch_id: int, out: Path, *, currency: str = "USD") -> Path:
    """Export the photos, write all three reports and return the path of the HTML one.

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
    """What is said of a batch's photos as they go out one by one; none is kept in memory.

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
        self._environment = Environment(loader=PackageLoader("exporting"), autoescape=select_autoescape())
        self._environment.trim_blocks = self._environment.lstrip_blocks = True
        self._environment.filters |= {
            "called": called,
            "count": count,
            "counted": counted,
            "duration": duration,
            "percent": percent,
            "flat": _flat,
            "money": partial(money, currency=currency),
        }
        self._card = self._environment.get_template("report_card.html")
        with ExitStack() as files:
            self._lines = files.enter_context((out / LINES_NAME).open("w", encoding="utf-8"))
            self._table = files.enter_context((out / TABLE_NAME).open("w", encoding="utf-8", newline=""))
            # Cards wait beside the report, those that failed apart, to stand first.
            self._failed = files.enter_context(tempfile.TemporaryFile("w+", dir=out, encoding="utf-8"))
            self._clean = files.enter_context(tempfile.TemporaryFile("w+", dir=out, encoding="utf-8"))
            self._files = files.pop_all()
        (out / PICTURES).mkdir(exist_ok=True)
        self._table.write(_BYTE_ORDER_MARK)
        self._rows = csv.writer(self._table)
        self._rows.writerow(COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def add(self, exported: Exported) -> None:
        """Tell of one photo more."""
        told = as_object(exported, self._out)
        self._lines.write(json.dumps(told, ensure_ascii=False) + "\n")
        self._rows.writerow(as_cells(told))
        card = self._card.render(**self._about(exported)).strip()
        (self._clean if exported.photo.state == JobState.SUCCEEDED else self._failed).write(card + "\n")

    def finish(self) -> Path:
        """Write the page and return its path."""
        self._lines.close()
        self._table.close()
        self._failed.seek(0)
        self._clean.seek(0)
        cards = (Markup(line) for line in chain(self._failed, self._clean))  # noqa: S704 - of templates, which escape
        page = self._environment.get_template(REPORT_NAME).generate(cards=cards, **self._about_all())
        write_parts(self._out / REPORT_NAME, (part.encode() for part in page))
        return self._out / REPORT_NAME

    def _about_all(self) -> dict[str, Any]:
        engine, batch_id = self._engine, self._batch_id
        spent = transact(engine, lambda connection: costs.spent(connection, batch_id))
        signed = transact(engine, lambda connection: samples.list_signed(connection, batch_id))
        loader = self._environment.loader
        script = loader.get_source(self._environment, "report.js")[0] if loader else ""
        return {
            "batch": transact(engine, lambda connection: batches.get(connection, batch_id)),
            "counts": transact(engine, lambda connection: tallies.counts(connection, batch_id)),
            "failures": transact(engine, lambda connection: failures.count_dead_by_code(connection, batch_id)),
            "cost": spent.cost,
            "signed": [describe_sign_off(sample) for sample in signed],
            "written_at": moment(datetime.now(UTC)),
            "script": Markup(script),  # noqa: S704 - a file of ours
            "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        }

    def _about(self, exported: Exported) -> dict[str, Any]:
        photo = exported.photo
        before = self._picture(
            _key(photo.source_sha256, photo), "before", lambda: read_before(self._engine, photo.source_uri)
        )
        after = file = None
        if exported.path is not None:
            file = quote(exported.path.relative_to(self._out).as_posix())
        if photo.artifact_sha256 is not None:
            key = _key(photo.artifact_sha256, photo)
            after = file if _is_light(exported) else self._picture(key, "after", lambda: self._read_output(exported))
        return {
            "photo": photo,
            "before": before,
            "after": after,
            "file": file,
            "seconds": seconds_of(photo),
            "good": photo.state == JobState.SUCCEEDED,
            "commands": _commands(photo),
        }

    def _read_output(self, exported: Exported) -> bytes | None:
        if exported.path is not None and exported.path.exists():
            return exported.path.read_bytes()
        return read_after(self._engine, exported.photo.artifact_sha256)

    def _picture(self, key: str, what: str, read: Callable[[], bytes | None]) -> str | None:
        """Return where a picture for the page is, made unless it is there."""
        for suffix in SHOWN.values():
            if (self._out / PICTURES / f"{key}-{what}{suffix}").exists():
                return f"{PICTURES}/{key}-{what}{suffix}"
        made = preview(read())
        if made is None:
            return None
        name = f"{key}-{what}{made.suffix}"
        write_whole(self._out / PICTURES / name, made.data)
        return f"{PICTURES}/{name}"


def _is_light(exported: Exported) -> bool:
    """Whether the exported file itself can stand in the page."""
    path = exported.path
    is_shown = exported.photo.artifact_format in SHOWN
    return path is not None and is_shown and path.exists() and path.stat().st_size <= LARGEST_KEPT


def _commands(photo: PhotoRow) -> list[str]:
    """Return what to type about a photo that waits for a person."""
    if photo.state != JobState.HELD:
        return []
    if photo.artifact_sha256 is None:
        return [f"cleanplate retry {photo.batch_id} --held"]
    return [f"cleanplate accept {photo.job_id}", f"cleanplate reject {photo.job_id}"]


def _key(sha256: str | None, photo: PhotoRow) -> str:
    # By content: another batch in the same folder must not find the pictures of this one.
    return sha256[:24] if sha256 else f"{photo.batch_id}-{photo.job_id}"


def _flat(text: str) -> str:
    """Return a text of one line."""
    return " ".join(text.split())
