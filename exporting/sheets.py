"""A contact sheet in files that need nothing else: for somebody who has no account, and maybe no network."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, select_autoescape
from sqlalchemy import Engine

from actions.samples import describe_sign_off
from core.errors import SourceError, UnavailableError
from core.settings import Settings
from db import previews, samples, sheets
from db.batches import BatchRow
from db.session import transact
from db.sheets import PageEnd, SheetOrder, SheetRow, SheetScope
from db.store.folder import write_whole
from exporting.pictures import read_after, read_before, small
from photos.fetch import Fetcher
from photos.memory import MEMORY
from photos.source import MAX_SOURCE_BYTES, read_source

FILE_PHOTOS = 500
"""Photos of one file: about 10 MB, which any browser opens."""
HEAD_BYTES = 2048
"""Within which a file says of which sheet it is."""
SIDE = 240
AT_ONCE = 4
KEPT_SIDE = 320
"""What the console keeps small pictures at; those that are there are taken."""


@dataclass(frozen=True, slots=True)
class SheetPhoto:
    """A photo of a sheet, with its pictures as addresses that hold them."""

    row: SheetRow
    before: str | None
    after: str | None


def write_sheets(
    engine: Engine, settings: Settings, batch: BatchRow, target: Path, *, scope: SheetScope, order: SheetOrder
) -> list[Path]:
    """Write a batch's contact sheet and return its files: `sheet.html`, `sheet-2.html`, and so on.

    What an earlier, larger one of the same name has left beyond them is removed.

    Args:
        engine: The database.
        settings: What may be fetched, for how long.
        batch: Which.
        target: The first file.
        scope: Which of its photos.
        order: What comes first.

    Raises:
        UnavailableError: Nothing can be written or removed there.
    """
    environment = Environment(loader=PackageLoader("exporting"), autoescape=select_autoescape(), trim_blocks=True)
    template = environment.get_template("sheet.html")
    total = transact(engine, lambda connection: sheets.count(connection, scope))
    signed = transact(engine, lambda connection: samples.list_signed(connection, batch.id))
    files = max(1, -(-total // FILE_PHOTOS))
    names = [_name(target, number) for number in range(files)]
    written: list[Path] = []
    artist = _Artist(engine, settings)
    for number, rows in enumerate(_pages(engine, scope, order)):
        if number == files:
            # Photos that came while it was written are in the next one.
            break
        page = template.render(
            batch=batch,
            photos=artist.draw(rows),
            first=number * FILE_PHOTOS + 1,
            last=number * FILE_PHOTOS + len(rows),
            total=total,
            most=FILE_PHOTOS,
            names=[each.name for each in names],
            number=number,
            sheet_of=quote(target.name),
            signed=[describe_sign_off(sample) for sample in signed],
        )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(names[number], page.encode())
        except OSError as error:
            raise UnavailableError(
                f"Cannot write {names[number]}: {error.strerror}. Name another file, or make room."
            ) from error
        written.append(names[number])
    _remove_rest(target, len(written))
    return written


def _name(target: Path, number: int) -> Path:
    return target.with_stem(f"{target.stem}-{number + 1}") if number else target


def _remove_rest(target: Path, files: int) -> None:
    # A file of that name may be somebody's own, such as the sheet of another batch: one of this sheet says so.
    mark = f'<meta name="sheet-of" content="{quote(target.name)}">'.encode()
    left: list[Path] = []
    try:
        for number in count(files):
            path = _name(target, number)
            if not path.is_file():
                break
            with path.open("rb") as file:
                if mark in file.read(HEAD_BYTES):
                    left.append(path)
        # Whatever stops this, the rest is found the next time.
        for path in reversed(left):
            path.unlink()
    except OSError as error:
        raise UnavailableError(
            f"The sheet is written, but {path} is left of an earlier one: {error.strerror}. Remove it."
        ) from error


def _pages(engine: Engine, scope: SheetScope, order: SheetOrder) -> Iterator[list[SheetRow]]:
    place: PageEnd | None = None
    while True:
        # A page at a time: drawing takes as long as it takes, and no transaction may stay open meanwhile.
        after = place
        page = transact(engine, lambda connection: sheets.look(connection, scope, order, after, FILE_PHOTOS))  # noqa: B023
        yield page.rows
        if page.following is None:
            return
        place = page.following


class _Artist:
    """Reads photos and draws them small, some at the same time."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._fetcher = Fetcher(
            timeout_seconds=settings.fetch_timeout,
            max_bytes=MAX_SOURCE_BYTES,
            allow_private=settings.fetch_allow_private,
        )

    def draw(self, rows: list[SheetRow]) -> list[SheetPhoto]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._draw, rows))

    def _draw(self, row: SheetRow) -> SheetPhoto:
        before = self._kept(row.source_sha256) or small(self._read(row), SIDE)
        after = self._kept(row.artifact_sha256) or small(read_after(self._engine, row.artifact_sha256), SIDE)
        return SheetPhoto(row, _address(before), _address(after))

    def _read(self, row: SheetRow) -> bytes | None:
        if (data := read_before(self._engine, row.source_uri)) is None:
            try:
                with MEMORY.hold_files() as take:
                    data = read_source(row.source_uri, self._fetcher, max_bytes=MAX_SOURCE_BYTES, take=take).data
            except SourceError:
                return None
        # Another photo may be there by now than the one that was sent.
        is_other = row.source_sha256 is not None and hashlib.sha256(data).hexdigest() != row.source_sha256
        return None if is_other else data

    def _kept(self, sha256: str | None) -> bytes | None:
        if sha256 is None:
            return None
        return small(transact(self._engine, lambda connection: previews.find(connection, sha256, KEPT_SIDE)), SIDE)


def _address(picture: bytes | None) -> str | None:
    return None if picture is None else f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
