"""Telling what a file is, from its content; `--format` overrides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import UsageError
from producer.catalogue import google_xml, parquet
from producer.catalogue.failures import FAILURES
from producer.catalogue.google_table import GOOGLE_TABLE
from producer.catalogue.item import Item
from producer.catalogue.jsonl import read_jsonl
from producer.catalogue.magento_table import MAGENTO
from producer.catalogue.plain_table import PLAIN_TABLE
from producer.catalogue.shape import Columns, Shape, find_columns
from producer.catalogue.shopify_table import SHOPIFY
from producer.catalogue.table import Table, open_table, read_rows
from producer.catalogue.url_list import read_url_list
from producer.catalogue.woocommerce_table import WOOCOMMERCE

JSONL = "jsonl"
URLS = "urls"
SHAPES = {shape.name: shape for shape in (FAILURES, SHOPIFY, WOOCOMMERCE, GOOGLE_TABLE, MAGENTO, PLAIN_TABLE)}
OURS_ALONE = ("file:", "s3:", "upload:")
"""What is read with this machine's own rights, and so only at the word of somebody who has them."""
FORMATS = (*(name for name in SHAPES if name != FAILURES.name), google_xml.NAME, parquet.NAME, JSONL, URLS)


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
    columns = find_columns(
        table.header,
        SHAPES[name],
        image_columns=reading.image_columns,
        base_url=reading.base_url,
        where=path.name,
    )
    return table, columns


def parquet_columns(path: Path, reading: Reading) -> tuple[tuple[str, ...], Columns]:
    """Return the names of a Parquet file's columns that matter, and where among them its photos are.

    Raises:
        UsageError: It cannot be read, or a column is missing.
    """
    header = parquet.columns_of(path)
    shape = _shape_of(header)
    every = find_columns(header, shape, image_columns=reading.image_columns, base_url=reading.base_url, where=path.name)
    names = tuple(header[index] for index in (*every.images, *every.skus))
    skus = tuple(range(len(every.images), len(names)))
    return names, Columns(tuple(range(len(every.images))), skus, every.split, every.base_url, every.escapes_commas)


def _read_parquet(path: Path, reading: Reading) -> Iterator[Item]:
    names, columns = parquet_columns(path, reading)
    for row in parquet.read_parquet_rows(path, names):
        yield from columns.read(row)


def _begins_a_list(start: bytes, table: Table) -> bool:
    if start.startswith(b"#"):
        # A comment, unless it is the name of a table's first column.
        return not _image_columns(AS_IT_IS) & {column.strip().lower() for column in table.header}
    return start[:8].lower().startswith((b"http://", b"https://"))


def _image_columns(reading: Reading) -> set[str]:
    known = {column for shape in SHAPES.values() for column in shape.image_columns}
    return known | {column.strip().lower() for column in reading.image_columns}


def _shape_of(header: Sequence[str]) -> Shape:
    return next((shape for shape in SHAPES.values() if shape.fits(header)), PLAIN_TABLE)
