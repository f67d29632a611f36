"""Parquet: the photos' columns are read a batch at a time, and written back with everything else as it was."""

import io
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import UsageError
from producer.catalogue.format import AS_IT_IS, Reading, find_format, read_catalogue
from producer.catalogue.writing import write_catalogue

A, B, C = (f"https://shop.example/{name}.jpg" for name in "abc")


def write(folder: Path, table: pa.Table, **options: object) -> Path:
    path = folder / "catalogue.parquet"
    pq.write_table(table, path, **options)
    return path


def test_a_file_is_read_and_written_back(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("image_link", pa.string()),
            ("price", pa.decimal128(9, 2)),
            ("more", pa.list_(pa.string())),
        ],
        metadata={"made": "by a shop"},
    )
    rows = {"id": [1, 2, 3], "image_link": [A, None, B], "price": [None, None, None], "more": [[C, A], None, []]}
    path = write(tmp_path, pa.table(rows, schema=schema), row_group_size=2, compression="zstd")
    assert find_format(path) == "parquet"
    reading = Reading(image_columns=("image_link", "more"))
    assert [item.uri for item in read_catalogue(path)] == [A, B]
    assert [(item.uri, item.sku) for item in read_catalogue(path, reading)] == [(A, "1"), (C, "1"), (A, "1"), (B, "3")]
    out = io.BytesIO()
    counts = write_catalogue(
        path, out, lambda urls: dict.fromkeys(set(urls) & {A}, "new"), reading, new_of_items=lambda _: []
    )
    assert (counts.replaced, counts.kept) == (2, 2)
    found = pq.ParquetFile(io.BytesIO(out.getvalue()))
    assert found.schema_arrow.equals(pq.ParquetFile(path).schema_arrow, check_metadata=True)
    assert found.num_row_groups == 2
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
    expected = rows | {"image_link": ["new", None, B], "more": [[C, "new"], None, []]}
    assert found.read().to_pydict() == expected


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, pa.table({"name": ["a"], "price": [1]}))
    with pytest.raises(UsageError, match="It has: 'name', 'price'"):
        list(read_catalogue(path, AS_IT_IS))


def test_a_file_that_is_cut_off_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, pa.table({"image_url": [A] * 100}))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UsageError, match="no Parquet file that can be read"):
        list(read_catalogue(path))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pa.table({"image_url": pa.DictionaryArray.from_arrays([0] * 1000, ["a" * 3_000_000])}), "unpacks|characters"),
        (pa.table({"image_url": [[None] * 3_000_000]}), "list of over"),
        (pa.table({"image_url": ["a" * 2_000_000]}), "characters"),
        (pa.table({"image_url": pa.nulls(2_000_000, pa.string())}), "more than bytes"),
    ],
    ids=["a dictionary", "a list", "a cell", "rows"],
)
def test_what_unpacks_to_too_much_is_refused_in_bounded_memory(tmp_path: Path, table: pa.Table, words: str) -> None:
    path = write(tmp_path, table, compression="zstd")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UsageError, match=words):
        list(read_catalogue(path, Reading(image_columns=("image_url",))))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
