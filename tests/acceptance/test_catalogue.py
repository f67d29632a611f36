"""A shop's file goes in, and the same file comes out with the URLs of the clean photos."""

import csv
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.acceptance.conftest import Cleanplate
from tests.chaos.fleet import make_photos

PUBLIC = {"ARTIFACT_PUBLIC_URL": "https://clean.example/artifacts"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """The URL of a shop with three photos."""
    photos = make_photos(tmp_path / "shop", 3)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(photos)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_shopify_file_in_and_out(cleanplate: Cleanplate, shop: str, tmp_path: Path) -> None:
    rows = [
        f'shoe,"Schöner ""Schuh""",{shop}/p0000.jpg,s-1',
        f"shoe,,{shop}/p0001.jpg,",
        f"boot,=SUM(A1),{shop}/p0000.jpg,s-2",
        f"gone,,{shop}/gone.jpg,s-3",
    ]
    source = tmp_path / "products.csv"
    source.write_bytes("\r\n".join(["Handle,Title,Image Src,Variant SKU", *rows, ""]).encode("utf-8-sig"))
    allow = {"FETCH_ALLOW_PRIVATE": "127.0.0.1"}
    done = cleanplate("run", source, "--out", "clean", "--json", **allow)
    assert (done.code, done.json["total"], done.json["succeeded"], done.json["dead"]) == (1, 3, 2, 1), done.err
    assert "ARTIFACT_PUBLIC_URL" in cleanplate("export", "1", "--catalogue", "new.csv").err
    exported = cleanplate("export", "1", "--catalogue", "out.csv", **PUBLIC)
    assert exported.code == 0, exported.err
    assert "3 new URLs, 1 unchanged" in exported.out

    before = source.read_bytes().decode("utf-8-sig").splitlines()
    after = (tmp_path / "out.csv").read_bytes().decode("utf-8-sig").splitlines()
    assert (tmp_path / "out.csv").read_bytes()[:3] == b"\xef\xbb\xbf"
    new = [row[2] for row in csv.reader(after)][1:]
    assert new[0] == new[2] != new[1]
    assert all(url.startswith("https://clean.example/artifacts/") for url in new[:3])
    assert [url.rpartition("/")[2] for url in new[:3]] == ["p0000.jpg", "p0001.jpg", "p0000.jpg"]
    assert cleanplate("export", "1", "--catalogue", "again.csv", **PUBLIC).code == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    for old_line, new_line, url in zip(before[1:4], after[1:4], new[:3], strict=True):
        old_url = next(csv.reader([old_line]))[2]
        assert new_line == old_line.replace(old_url, url)
    assert (after[0], after[4]) == (before[0], before[4])

    failed = list(csv.DictReader((tmp_path / "failed.csv").read_text().splitlines()))
    assert [(row["image_url"], row["sku"], row["code"]) for row in failed] == [(f"{shop}/gone.jpg", "s-3", "http_404")]
    (tmp_path / "shop" / "gone.jpg").write_bytes((tmp_path / "shop" / "p0002.jpg").read_bytes())
    again = cleanplate("run", "failed.csv", "--out", "clean2", "--json", **allow)
    assert (again.code, again.json["succeeded"]) == (0, 1), again.err


def test_what_cannot_be_written_back_is_said(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 1)
    assert cleanplate("submit", photos).code == 0
    assert "not made from a catalogue file" in cleanplate("export", "1", "--catalogue", "x.csv", **PUBLIC).err
    assert "--to, or a file with --catalogue" in cleanplate("export", "1").err
    (tmp_path / "urls.txt").write_text("https://a.example/a.jpg\n")
    assert cleanplate("submit", "urls.txt").code == 0
    assert "is the catalogue itself" in cleanplate("export", "2", "--catalogue", "urls.txt", **PUBLIC).err
    (tmp_path / "urls.txt").rename(tmp_path / "moved.txt")
    assert "--source FILE" in cleanplate("export", "2", "--catalogue", "x.txt", **PUBLIC).err
    moved = cleanplate("export", "2", "--catalogue", "x.txt", "--source", "moved.txt", **PUBLIC)
    assert (moved.code, (tmp_path / "x.txt").read_text()) == (0, "https://a.example/a.jpg\n")


def test_columns_that_are_missing_are_named(cleanplate: Cleanplate, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,Shoe\n")
    told = cleanplate("submit", "a.csv")
    assert (told.code, "It has: 'id', 'name'" in told.err) == (2, True)
    told = cleanplate("submit", "a.csv", "--image-col", "photo")
    assert (told.code, "no column 'photo'" in told.err) == (2, True)
