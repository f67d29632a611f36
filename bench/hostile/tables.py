"""Catalogues that hurt whoever reads them."""

import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq


def _parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def _cell(cell: str) -> bytes:
    return f'sku,image_url\n1,"{cell}"\n'.encode()


KINDS: dict[str, Callable[[], bytes]] = {
    "a cell of 1 MB of blanks": lambda: _cell("a" + " " * 900_000 + "b"),
    "a cell of 1 MB of commas": lambda: _cell("," * 900_000),
    "a record of 13,000,000 cells": lambda: b"sku,image_url\n1,https://a.example/1.jpg\n" + b"ab," * 13_000_000,
    "JSON with 39 MB after its array": lambda: b'["https://a.example/1.jpg"]' + "\u00e9".encode() * 19_000_000,
    "names parted by blanks": lambda: b'Type,SKU,Images\nsimple,1,"a' + b" " * 900_000 + b'b"\n',
    "a quote that never closes, 40 MB": lambda: b'sku,image_url\n1,"' + b"a\n" * 20_000_000,
    "JSONL with a number of 5,000 digits": lambda: (
        b'{"image_url": "https://a.example/1.jpg", "sku": ' + b"9" * 5000 + b"}"
    ),
    "JSONL nested 100,000 deep": lambda: b'{"image_url": ' + b"[" * 100_000,
    "XML of a billion laughs": lambda: (
        b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "'
        + b"a" * 1000
        + b'">'
        + b"".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10 if n else "&a;" * 10}">'.encode() for n in range(8))
        + b']><rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:image_link>&b7;</g:image_link></item></channel></rss>'
    ),
    "Parquet: a dictionary of 1 MB, 1,000 times": lambda: _parquet(
        pa.table({"image_url": pa.DictionaryArray.from_arrays([0] * 1000, ["a" * 1_000_000])})
    ),
    "Parquet: a list of 20,000,000": lambda: _parquet(pa.table({"image_url": [[None] * 20_000_000]})),
    "Parquet: a cell of 200 MB": lambda: _parquet(pa.table({"image_url": ["a" * 200_000_000]})),
    "Parquet: 20,000,000 rows of nothing": lambda: _parquet(pa.table({"image_url": pa.nulls(20_000_000, pa.string())})),
}
"""What they are, and how each is made."""
