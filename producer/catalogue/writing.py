"""The same catalogue again with other photo URLs: same rows, columns, order, delimiter and encoding."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar
from xml.sax.saxutils import escape

from core.errors import UsageError
from producer.catalogue import google_xml, parquet
from producer.catalogue.assembler import Record
from producer.catalogue.format import JSON, JSONL, URLS, Reading, find_format, open_columns, parquet_columns
from producer.catalogue.item import Item, storable
from producer.catalogue.json_array import read_array, read_element
from producer.catalogue.jsonl import read_line
from producer.catalogue.records import read_records, value_of, written
from producer.catalogue.shape import Columns, is_photo
from producer.catalogue.text import find_encoding, open_text
from producer.catalogue.typed_url import FoundUrl, find_urls

PAGE = 500
"""Rows that are looked up together."""

NewUrls = Callable[[Sequence[str]], Mapping[str, str]]
"""Gives the new URL of each old one that has one."""

NewOfItems = Callable[[Sequence[Item]], Sequence[str | None]]
"""Gives the new URL of each item, or None: where a URL may stand several times with different options."""

Row = TypeVar("Row")

_IMAGE_URL = re.compile(r'("image_url"\s*:\s*)("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class _JsonPhoto:
    """A photo in JSON, and where its URL stands, quotes included."""

    item: Item
    start: int
    end: int

    def with_url(self, text: str, url: str) -> str:
        return text[: self.start] + json.dumps(url) + text[self.end :]


@dataclass(slots=True)
class Written:
    """How many photo URLs of a catalogue were replaced, and how many stayed."""

    replaced: int = 0
    kept: int = 0

    def replace(self, url: str, new: Mapping[str, str]) -> str | None:
        """Return the new URL of a photo, or None when it keeps its own; count it."""
        return self.count(new.get(storable(url)))

    def count(self, found: str | None) -> str | None:
        """Count a photo with its new URL, if it has one, and return that."""
        if found is None:
            self.kept += 1
        else:
            self.replaced += 1
        return found


def write_catalogue(
    path: Path, out: BinaryIO, new_urls: NewUrls, reading: Reading, *, new_of_items: NewOfItems
) -> Written:
    """Write a catalogue again with new URLs for those photos that have one; everything else stays byte for byte.

    Parquet is written anew: rows, columns, types, row groups and compression stay.

    Args:
        path: The catalogue.
        out: Where it goes.
        new_urls: Asked for a page of URLs at a time, as they were submitted.
        reading: As it was read when it was submitted.
        new_of_items: Asked instead for JSON lines, which say for each photo what to take off.

    Raises:
        UsageError: It can no longer be read as what it was.
    """
    found = find_format(path, reading)
    counts = Written()
    if found == google_xml.NAME:
        _write_xml(path, out, new_urls, counts)
    elif found == parquet.NAME:
        _write_parquet(path, out, new_urls, counts, reading)
    elif found == JSONL:
        _write_json_lines(path, out, new_of_items, counts)
    elif found == JSON:
        _write_json_array(path, out, new_of_items, counts)
    elif found == URLS:
        _write_urls(path, out, new_urls, counts)
    else:
        _write_table(path, out, new_urls, counts, found, reading)
    return counts


def _write_table(path: Path, out: BinaryIO, new_urls: NewUrls, counts: Written, name: str, reading: Reading) -> None:
    table, columns = open_columns(path, name, reading)
    encode = partial(str.encode, encoding=table.encoding.name)
    out.write(table.encoding.mark)
    records = read_records(table)
    for header in islice(records, table.before + 1):
        out.write(encode(table.delimiter.join(header.raw) + header.end))
    for page in _pages(records):
        new = new_urls(list(dict.fromkeys(url for record in page for url in _urls_of(record, columns))))
        for record in page:
            cells = list(record.raw)
            for index in columns.images:
                if index < len(cells) and cells[index]:
                    cells[index] = _with_new(cells[index], columns, new, counts, table.delimiter)
            out.write(encode(table.delimiter.join(cells) + record.end))


def _urls_of(record: Record, columns: Columns) -> Iterator[str]:
    for index in columns.images:
        if index < len(record.raw):
            for value in columns.split(value_of(record.raw[index]))[::2]:
                if is_photo(value):
                    yield columns.url_of(value.strip())


def _with_new(raw: str, columns: Columns, new: Mapping[str, str], counts: Written, delimiter: str) -> str:
    parts = columns.split(value_of(raw))
    is_changed = False
    for place, value in enumerate(parts):
        if place % 2 == 0 and is_photo(value):
            url = counts.replace(columns.url_of(value.strip()), new)
            if url is not None:
                parts[place] = value.replace(value.strip(), columns.cell_of(url))
                is_changed = True
    return written("".join(parts), raw, delimiter) if is_changed else raw


def _write_xml(path: Path, out: BinaryIO, new_urls: NewUrls, counts: Written) -> None:
    encoding = google_xml.find_xml_encoding(path)
    at = 0
    with path.open("rb") as file:
        for page in _pages(google_xml.read_products(path)):
            places = sorted((place for product in page for place in product.photos), key=lambda place: place.start)
            new = new_urls(list(dict.fromkeys(storable(place.url) for place in places)))
            for place in places:
                out.write(file.read(place.start - at))
                raw = file.read(place.end - place.start)
                at = place.end
                url = counts.replace(place.url, new)
                out.write(raw if url is None else _in_place(raw, url, encoding))
        _copy_rest(file, out)


def _in_place(raw: bytes, url: str, encoding: str) -> bytes:
    text = raw.decode(encoding)
    inner = text.strip()
    before, _, after = text.partition(inner)
    new = f"<![CDATA[{url}]]>" if inner.startswith("<![CDATA[") else escape(url)
    return (before + new + after).encode(encoding)


def _copy_rest(file: BinaryIO, out: BinaryIO) -> None:
    while chunk := file.read(1 << 20):
        out.write(chunk)


def _write_urls(path: Path, out: BinaryIO, new_urls: NewUrls, counts: Written) -> None:
    encoding = find_encoding(path)
    out.write(encoding.mark)
    with open_text(path, encoding) as file:
        for page in _pages(file):
            found = [_urls_in(line) for line in page]
            new = new_urls(list(dict.fromkeys(storable(place.url or "") for places in found for place in places)))
            for line, places in zip(page, found, strict=True):
                text, at = "", 0
                for place in places:
                    url = counts.replace(place.url or "", new)
                    text += line[at : place.start] + (line[place.start : place.end] if url is None else url)
                    at = place.end
                out.write((text + line[at:]).encode(encoding.name))


def _write_json_lines(path: Path, out: BinaryIO, new_of_items: NewOfItems, counts: Written) -> None:
    encoding = find_encoding(path)
    folder = path.resolve().parent
    out.write(encoding.mark)
    with open_text(path, encoding) as file:
        for page in _pages(file):
            photos = [_read_json_line(line, folder) for line in page]
            new = iter(new_of_items([photo.item for photo in photos if photo is not None]))
            for line, photo in zip(page, photos, strict=True):
                url = None if photo is None else counts.count(next(new))
                text = line if photo is None or url is None else photo.with_url(line, url)
                out.write(text.encode(encoding.name))


def _write_json_array(path: Path, out: BinaryIO, new_of_items: NewOfItems, counts: Written) -> None:
    encoding = find_encoding(path)
    folder = path.resolve().parent
    out.write(encoding.mark)
    for page in _pages(read_array(path)):
        photos = [_read_json_element(element.text, folder) for element in page]
        new = iter(new_of_items([photo.item for photo in photos if photo is not None]))
        for element, photo in zip(page, photos, strict=True):
            url = None if photo is None else counts.count(next(new))
            text = element.text if photo is None or url is None else photo.with_url(element.text, url)
            out.write((element.before + text).encode(encoding.name))


def _read_json_element(text: str, folder: Path) -> _JsonPhoto | None:
    if not text.startswith('"'):
        return _read_json_line(text, folder)
    try:
        return _JsonPhoto(read_element(text, "", folder, allow_files=False), 0, len(text))
    except UsageError:
        return None


def _read_json_line(line: str, folder: Path) -> _JsonPhoto | None:
    """Return the photo of a line and where its URL stands; None when there is none."""
    try:
        item = read_line(line, "", folder, allow_files=True)
    except UsageError:
        return None
    told = json.loads(line).get("image_url")
    # An object within may have a key of this name, too.
    place = next((each for each in _IMAGE_URL.finditer(line) if json.loads(each[2]) == told), None)
    return None if place is None else _JsonPhoto(item, place.start(2), place.end(2))


def _urls_in(line: str) -> list[FoundUrl]:
    told = line.rstrip("\r\n")
    return [] if told.lstrip().startswith("#") else [place for place in find_urls(told) if place.url is not None]


def _write_parquet(path: Path, out: BinaryIO, new_urls: NewUrls, counts: Written, reading: Reading) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names, columns = parquet_columns(path, reading)
    photos = [names[index] for index in columns.images]
    with parquet.open_parquet(path) as file:
        schema = file.schema_arrow
        codec = file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "snappy"
        with pq.ParquetWriter(out, schema, compression=codec) as writer:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group)
                for name in photos:
                    place = schema.get_field_index(name)
                    kind = schema.field(place).type
                    changed = []
                    for start in range(0, rows.num_rows, PAGE):
                        values = rows.column(place).slice(start, PAGE).to_pylist()
                        new = new_urls(
                            list(dict.fromkeys(url for value in values for url in _cell_urls(value, columns)))
                        )
                        changed.append(pa.array([_cell_with_new(each, columns, new, counts) for each in values], kind))
                    rows = rows.set_column(place, schema.field(place), pa.chunked_array(changed, kind))
                writer.write_table(rows, row_group_size=max(1, rows.num_rows))


def _cell_urls(value: object, columns: Columns) -> Iterator[str]:
    for part in value if isinstance(value, list) else [value]:
        for text in columns.split(parquet.as_text(part))[::2]:
            if is_photo(text):
                yield columns.url_of(text.strip())


def _cell_with_new(value: object, columns: Columns, new: Mapping[str, str], counts: Written) -> object:
    if isinstance(value, list):
        return [_cell_with_new(part, columns, new, counts) for part in value]
    if not isinstance(value, str | bytes):
        return value
    parts = columns.split(parquet.as_text(value))
    for place, text in enumerate(parts):
        if place % 2 == 0 and is_photo(text):
            url = counts.replace(columns.url_of(text.strip()), new)
            parts[place] = text if url is None else text.replace(text.strip(), url)
    joined = "".join(parts)
    return joined.encode() if isinstance(value, bytes) else joined


def _pages(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while page := list(islice(iterator, PAGE)):
        yield page
