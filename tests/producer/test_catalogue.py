"""What people hand in, and what they hand in wrong."""

import json
from pathlib import Path

import pytest
from PIL import Image

from core.errors import UsageError
from producer.catalogue.format import Reading
from producer.catalogue.item import name_from_url, read_elements, safe_name
from producer.catalogue.jsonl import read_jsonl
from producer.catalogue.source import read_source

STRICT = Reading(allow_files=True, is_strict=True)
URL = "https://shop.example/a.jpg"


def test_a_folder_is_read_in_order_with_the_folders_in_it(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "sub/c.jpeg", ".hidden.jpg", ".git/d.jpg", "notes.txt", "out/e.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    items = list(read_source(tmp_path, leave_out=tmp_path / "out"))
    assert [item.name for item in items] == ["a.PNG", "b.jpg", "sub/c.jpeg"]
    assert items[0].uri == (tmp_path / "a.PNG").as_uri()


def test_what_an_earlier_run_wrote_is_no_source(tmp_path: Path) -> None:
    for name in ("a.jpg", "clean/a.jpg", "clean/report.jsonl", "clean/report_files/1-before.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [item.name for item in read_source(tmp_path)] == ["a.jpg"]
    assert [item.name for item in read_source(tmp_path / "clean")] == ["a.jpg"]


def test_a_changed_file_is_another_version(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    before = next(iter(read_source(photo))).version
    photo.write_bytes(b"xy")
    assert next(iter(read_source(photo))).version != before


def test_a_url_list(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_bytes(
        b"\xef\xbb\xbfhttps://shop.example/a%20b.jpg?v=2\r\n\r\n# no\nhttp://x.example/\n"
    )
    items = list(read_source(tmp_path / "urls.txt"))
    assert [(item.uri, item.name) for item in items] == [
        ("https://shop.example/a%20b.jpg?v=2", "a b.jpg"),
        ("http://x.example/", "photo"),
    ]


def test_jsonl(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "m.jsonl").write_text(
        '{"image_url": "https://shop.example/1.jpg", "sku": 7, "elements": [3, 1], "mask": "0 5"}\n'
        '{"path": "a.jpg", "subject_elements": "1,2"}\n'
    )
    first, second = read_source(tmp_path / "m.jsonl")
    assert (first.sku, first.elements, first.subject_elements, first.mask) == ("7", (1, 3), None, "0 5")
    assert (second.uri, second.name, second.subject_elements) == ((tmp_path / "a.jpg").as_uri(), "a.jpg", (1, 2))


def test_what_json_lines_ask_to_erase(tmp_path: Path) -> None:
    picture = Image.new("L", (60, 40))
    picture.paste(255, (10, 0, 15, 1))
    picture.save(tmp_path / "Drawn.PNG")
    url = "https://shop.example/1.jpg"
    rows: list[dict[str, object]] = [
        {"boxes": [[1, 2, 3, 4], "5, 6, 7, 8"]},
        {"boxes": [1, 2, 3, 4]},
        {"mask": "Drawn.PNG"},
        {"mask": "0, 5\n 9,1"},
        {"title": "the shop's own", "tags": []},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(json.dumps({"image_url": url} | row) for row in rows))
    masks = [item.mask for item in read_source(tmp_path / "m.jsonl")]
    assert masks == ["box 1,2,3,4 5,6,7,8", "box 1,2,3,4", "60x40: 10 5", "0 5 9 1", None]
    with pytest.raises(UsageError, match="file of this machine"):
        list(read_jsonl(tmp_path / "m.jsonl", allow_files=False, is_strict=True))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("urls.txt", b"", "is empty"),
        ("urls.txt", b"\n  \n", "is empty"),
        ("urls.txt", b"https://ok.example/a.jpg\nftp://no.example/a.jpg\n", "line 2.*no http"),
        ("urls.txt", b"hello\n", "line 1"),
        ("urls.txt", b"https://[::1/a.jpg\n", "line 1"),
        ("urls.txt", b"https://ok.example:99999/a.jpg\n", "line 1"),
        ("urls.txt", b"\xff\xfe\x00\x01", "no http or https URL"),
        ("urls.txt", b"\xff\xfe\x00", "no text"),
        ("m.jsonl", b'{"image_url": "https://a.example/a.jpg"}\n{broken\n', "line 2 is not JSON"),
        ("m.jsonl", b'{"sku": "1"}\n', "either `image_url` or `path`.*sku"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "path": "a"}\n', "either"),
        ("m.jsonl", b'{"image_url": 5}\n', "must be text"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "elements": [5]}\n', "unknown element 5"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "elements": {"a": 1}}\n', "expected numbers"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "mask": "1 2 3"}\n', "run lengths"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "mask": "all"}\n', "run lengths"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "mask": "1,2,3,4"}\n', "look like a box"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "mask": "none.png"}\n', "cannot read none.png"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "mask": "0 5", "boxes": []}\n', "one of them"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "boxes": []}\n', "1 to 1,000 boxes"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "boxes": [[1, 2, 3]]}\n', "no box"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "boxes": [[1, 2, 3, 4.5]]}\n', "no box"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "boxes": {"x": 1}}\n', "a list of boxes"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "box": [1, 2, 3, 4]}\n', "mean `boxes`"),
        ("m.jsonl", b'{"image_url": "https://a.example/1.jpg", "Elements": "1"}\n', "mean `elements`"),
        ("m.jsonl", b'{"path": "nowhere.jpg"}\n', "Cannot read"),
        ("m.jsonl", b'{"path": "a\\ud800.jpg"}\n', "must be text"),
        ("m.jsonl", b'{"path": "a\\u0000.jpg"}\n', "must be text"),
        ("m.jsonl", b"{" * 100_000 + b"\n", "not JSON"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        list(read_source(tmp_path / name, reading=STRICT))


def test_a_row_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text(f"{URL}\nhello\n# note\nftp://no.example/a.jpg\n{URL}2\n")
    (tmp_path / "m.jsonl").write_text(f'{{"image_url": "{URL}"}}\n{{broken\n{{"image_url": "{URL}2"}}\n')
    for name, faults in (("urls.txt", ["line 2", "line 4"]), ("m.jsonl", ["line 2"])):
        items = list(read_source(tmp_path / name))
        assert [item.uri for item in items if not item.fault] == [URL, f"{URL}2"]
        told = [item for item in items if item.fault]
        assert [item.name for item in told] == faults
        assert all(f"{name}, {item.name}" in item.fault for item in told)
        assert not any("Nothing was submitted" in item.fault for item in told)


def test_a_missing_source_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no"):
        read_source(tmp_path / "nowhere")


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_bytes(b"https://a.example/" + b"a" * 2_000_000)
    with pytest.raises(UsageError, match="longer than"):
        list(read_source(tmp_path / "urls.txt"))


@pytest.mark.parametrize(
    ("given", "safe"),
    [("../../etc/passwd", "_etc_passwd"), ("a\x00b.jpg", "a_b.jpg"), ("..", ""), ("CON?.jpg", "CON_.jpg")],
)
def test_names_stay_inside_the_folder(given: str, safe: str) -> None:
    assert safe_name(given).lstrip("._") == safe.lstrip("._")
    assert "/" not in safe_name(given)


def test_a_long_name_keeps_its_suffix_and_stays_distinct() -> None:
    one, two = safe_name("x" * 400 + "1.jpg"), safe_name("x" * 400 + "2.jpg")
    assert one != two
    assert len(one) <= 150
    assert one.endswith(".jpg")


def test_a_url_without_a_name_gets_one() -> None:
    assert name_from_url("https://shop.example/%2e%2e%2f%2e%2e%2f") == "photo" or "/" not in name_from_url("https://s/")


@pytest.mark.parametrize("value", ["0", "5", "a", [True], [1.5], "1;2"])
def test_elements_are_one_to_four(value: object) -> None:
    with pytest.raises(UsageError):
        read_elements(value, "--elements")
