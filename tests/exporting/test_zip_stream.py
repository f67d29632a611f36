"""Archives that every reader opens, however large."""

import shutil
import subprocess
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporting.zip_stream import MOST_LONG, ZipStream

MADE = datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    files = {"a.jpg": b"one", "sub/gr\u00f6\u00dfe \u7ea2.jpg": b"two" * 1000, "empty.txt": b""}
    with ZipStream() as archive, (tmp_path / "a.zip").open("wb") as file:
        for name, data in files.items():
            file.write(archive.begin(name, size=len(data), crc=zlib.crc32(data), modified=MADE) + data)
        file.writelines(archive.end())
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert found.testzip() is None
        assert {each.filename: found.read(each) for each in found.infolist()} == files
        assert {each.date_time for each in found.infolist()} == {(2026, 3, 4, 5, 6, 8)}
        assert {each.compress_type for each in found.infolist()} == {zipfile.ZIP_STORED}


def test_an_archive_of_nothing(tmp_path: Path) -> None:
    with ZipStream() as archive:
        (tmp_path / "a.zip").write_bytes(b"".join(archive.end()))
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert found.namelist() == []


def test_more_files_than_the_old_format_counts(tmp_path: Path) -> None:
    with ZipStream() as archive, (tmp_path / "a.zip").open("wb") as file:
        for number in range(70_000):
            file.write(archive.begin(f"{number}.jpg", size=1, crc=zlib.crc32(b"x"), modified=MADE) + b"x")
        file.writelines(archive.end())
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert len(found.infolist()) == 70_000
        assert found.read("69999.jpg") == b"x"


@pytest.mark.parametrize("sizes", [[MOST_LONG + 10], [MOST_LONG], [MOST_LONG - 1], [3_000_000_000, 3_000_000_000]])
def test_more_bytes_than_the_old_format_counts(tmp_path: Path, sizes: list[int]) -> None:
    # Nothing is written where zeros stand: the file takes no room.
    with ZipStream() as archive, (tmp_path / "a.zip").open("wb") as file:
        for number, size in enumerate(sizes):
            file.write(archive.begin(f"large-{number}", size=size, crc=0))
            file.seek(size, 1)
        file.write(archive.begin("last.txt", size=4, crc=zlib.crc32(b"last")) + b"last")
        file.writelines(archive.end())
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert [each.file_size for each in found.infolist()] == [*sizes, 4]
        assert found.read("last.txt") == b"last"
        with found.open("large-0") as large:
            assert large.read(3) == b"\0\0\0"


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs Info-ZIP")
def test_another_reader_says_the_same(tmp_path: Path) -> None:
    with ZipStream() as archive, (tmp_path / "a.zip").open("wb") as file:
        file.write(archive.begin("sub/\u7ea2.jpg", size=3, crc=zlib.crc32(b"red")) + b"red")
        file.writelines(archive.end())
    done = subprocess.run(["unzip", "-t", tmp_path / "a.zip"], capture_output=True, text=True, check=False)
    assert "No errors detected" in done.stdout, done.stdout + done.stderr
