"""Telling what a file is, from its content; `--format` overrides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from core.errors import UsageError
from producer.catalogue import google_xml, parquet
from producer.catalogue.cells import split_files
from producer.catalogue.failures import FAILURES
from producer.catalogue.google_table import GOOGLE_TABLE
from producer.catalogue.guess import ROWS_READ, Guess, guess
from producer.catalogue.item import Item
from producer.catalogue.json_array import read_json_array
from producer.catalogue.jsonl import read_jsonl
from producer.catalogue.magento_table import MAGENTO
from producer.catalogue.plain_table import PLAIN_TABLE
from producer.catalogue.shape import MOST_NAMED, Columns, Shape, find_columns
from producer.catalogue.shopify_table import SHOPIFY
from producer.catalogue.table import Table, open_table, read_rows
from producer.catalogue.url_list import read_url_list
from producer.catalogue.woocommerce_table import WOOCOMMERCE

JSONL = "jsonl"
JSON = "json"
URLS = "urls"
SHAPES = {shape.name: shape for shape in (FAILURES, SHOPIFY, WOOCOMMERCE, GOOGLE_TABLE, MAGENTO, PLAIN_TABLE)}
OURS_ALONE = ("file:", "s3:", "upload:")
"""What is read with this machine's own rights, and so only at the word of somebody who has them."""
FORMATS = (*(name for name in SHAPES if name != FAILURES.name), google_xml.NAME, parquet.NAME, JSONL, JSON, URLS)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read, as far as the user says so.

    Args:
        format: One of `FORMATS`; None to find it from the content.
        image_columns: The columns of a table that hold photos; none for those its format knows.
        base_url: Where values that are no URL begin, or nothing.
        allow_files: Whether files of this machine may be named; not for what comes from elsewhere.
        is_strict: Whether a row that cannot be read refuses the file; else it is one dead job, and the others run.
    """

    format: str | None = None
    image_columns: tuple[str, ...] = ()
    base_url: str = ""
    allow_files: bool = False
    is_strict: bool = False


OF_SHOPS = frozenset(FORMATS) - {JSONL, JSON, URLS}
"""What shops take in again; the others are lists of photos."""

AS_IT_IS = Reading(allow_files=True)


def find_format(path: Path, reading: Reading = AS_IT_IS) -> str:
    """Return which of `FORMATS` a file is.

    Raises:
        UsageError: It is none of them; the message tells the columns, if it has any.
    """
    if reading.format is not None:
        return reading.format
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}") from error
    if not head.strip():
        raise UsageError(f"{path} is empty: no photo in it.")
    if head.startswith(parquet.MAGIC):
        return parquet.NAME
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")
    if start.startswith(b"<"):
        return google_xml.NAME
    if start.startswith(b"{"):
        return JSONL
    # Of UTF-16 every other byte is nothing.
    start = start.replace(b"\0", b"")
    if start.startswith(b"["):
        return JSON
    table = open_table(path, _image_columns(reading))
    if table is None or (_begins_a_list(start, table) and not reading.image_columns):
        return URLS
    return _shape_of(table.header).name


def read_catalogue(path: Path, reading: Reading = AS_IT_IS) -> Iterator[Item]:
    """Yield the photos of a catalogue file in their order; one that stands in it several times comes several times.

    Raises:
        UsageError: It cannot be read as what it is; the message says where.
    """
    found = find_format(path, reading)
    if found == JSONL:
        return read_jsonl(path, allow_files=reading.allow_files, is_strict=reading.is_strict)
    if found == JSON:
        return read_json_array(path, allow_files=reading.allow_files, is_strict=reading.is_strict)
    if found == URLS:
        return read_url_list(path, is_strict=reading.is_strict)
    if found == google_xml.NAME:
        return _checked(google_xml.read_feed(path), path, reading)
    if found == parquet.NAME:
        return _checked(_read_parquet(path, reading), path, reading)
    table, columns = open_columns(path, found, reading)
    return _checked((item for _, row in read_rows(table) for item in columns.read(row)), path, reading)


def _checked(items: Iterator[Item], path: Path, reading: Reading) -> Iterator[Item]:
    for item in items:
        if not reading.allow_files and item.uri.lower().startswith(OURS_ALONE):
            raise UsageError(
                f"{path.name} names what only this machine may read ({item.uri[:80]!r}); only http(s) URLs are taken "
                "here."
            )
        yield item


def open_columns(path: Path, name: str, reading: Reading) -> tuple[Table, Columns]:
    """Return a table and where its photos are.

    Raises:
        UsageError: It is no table, or a column is missing.
    """
    table = open_table(path, _image_columns(reading))
    if table is None:
        raise UsageError(f"{path.name} is no table: its first line has no second column. Nothing was submitted.")
    rows = (row for _, row in read_rows(table))
    return table, _columns_of(table.header, SHAPES[name], rows, path, reading)


def parquet_columns(path: Path, reading: Reading) -> tuple[tuple[str, ...], Columns]:
    """Return the names of a Parquet file's columns that matter, and where among them its photos are.

    Raises:
        UsageError: It cannot be read, or a column is missing.
    """
    header = parquet.columns_of(path)
    shape = _shape_of(header)
    every = _columns_of(header, shape, parquet.read_parquet_rows(path, header), path, reading)
    names = tuple(header[index] for index in (*every.images, *every.skus))
    skus = tuple(range(len(every.images), len(names)))
    return names, Columns(tuple(range(len(every.images))), skus, every.split, every.base_url, every.escapes_commas)


def tell_guess(path: Path, reading: Reading = AS_IT_IS) -> str:
    """Return a sentence on where photos were found, when no name of a column told; else nothing.

    Raises:
        UsageError: It cannot be read.
    """
    found = find_format(path, reading)
    if found in SHAPES:
        table = open_table(path, _image_columns(reading))
        header = table.header if table else ()
        guessed = table and _guess(header, SHAPES[found], (row for _, row in read_rows(table)), path, reading)
    elif found == parquet.NAME:
        header = parquet.columns_of(path)
        guessed = _guess(header, _shape_of(header), parquet.read_parquet_rows(path, header), path, reading)
    else:
        return ""
    if not guessed:
        return ""
    left = f", not taken from {_named(header, guessed.left_out)}" if guessed.left_out else ""
    return f"Photos found in {_named(header, guessed.columns)}{left}; --image-col names others."


def _named(header: Sequence[str], columns: Sequence[int]) -> str:
    return ", ".join(repr(header[index].strip()) for index in columns[:MOST_NAMED])


def _columns_of(
    header: Sequence[str], shape: Shape, rows: Iterator[list[str]], path: Path, reading: Reading
) -> Columns:
    guessed = _guess(header, shape, rows, path, reading)
    if guessed is None:
        return find_columns(
            header, shape, image_columns=reading.image_columns, base_url=reading.base_url, where=path.name
        )
    columns = find_columns(header, shape, image_columns=[header[guessed.columns[0]]], where=path.name)
    base = path.resolve().parent.as_uri() if guessed.are_files else reading.base_url
    return replace(
        columns,
        images=guessed.columns,
        base_url=base,
        escapes_commas=guessed.escapes_commas,
        split=split_files if guessed.are_files else columns.split,
    )


def _guess(
    header: Sequence[str], shape: Shape, rows: Iterator[list[str]], path: Path, reading: Reading
) -> Guess | None:
    """Return which columns hold photos, when neither the user nor the shape says so."""
    names = {column.strip().lower() for column in header}
    is_told = reading.image_columns or reading.format not in {None, PLAIN_TABLE.name, parquet.NAME}
    if is_told or not names.isdisjoint(shape.image_columns):
        return None
    return guess(header, islice(rows, ROWS_READ), path.resolve().parent if reading.allow_files else None)


def _read_parquet(path: Path, reading: Reading) -> Iterator[Item]:
    names, columns = parquet_columns(path, reading)
    for row in parquet.read_parquet_rows(path, names):
        yield from columns.read(row)


def _begins_a_list(start: bytes, table: Table) -> bool:
    if start.startswith(b"#"):
        # A comment, unless it is the name of a table's first column.
        names = {column.strip().lower() for column in table.header}
        return not (table.before > 0 or _image_columns(AS_IT_IS) & names)
    return start[:8].lower().startswith((b"http://", b"https://"))


def _image_columns(reading: Reading) -> set[str]:
    known = {column for shape in SHAPES.values() for column in shape.image_columns}
    return known | {column.strip().lower() for column in reading.image_columns}


def _shape_of(header: Sequence[str]) -> Shape:
    return next((shape for shape in SHAPES.values() if shape.fits(header)), PLAIN_TABLE)
