"""What is shown of URLs, of texts on a terminal and of cells in a spreadsheet; and that nothing else shows either."""

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.logs import _tame, _write_tame_traceback
from core.shown import cell_for_spreadsheet, cell_of_spreadsheet, text_for_terminal, url_for_people

ROOT = Path(__file__).parents[2]
WRITES = re.compile(r"click\.(echo|secho|confirm|prompt)\(|(?<![.\w])(?<!def )print\(")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://shop.example/a.jpg", "https://shop.example/a.jpg"),
        ("https://ann:pw@shop.example/a.jpg", "https://shop.example/a.jpg"),
        ("https://shop.example/a.jpg?v=12&width=800#x", "https://shop.example/a.jpg?v=12&width=800"),
        ("https://s.example/a?X-Amz-Signature=12&X-Amz-Date=1", "https://s.example/a?X-Amz-Signature=…&X-Amz-Date=…"),
        ("https://s.example/a?sv=2020&sig=aB%2F3", "https://s.example/a?sv=2020&sig=…"),
        ("https://s.example/a?t=0123456789012345678901234", "https://s.example/a?t=…"),
        ("https://s.example/a?0123456789012345678901234", "https://s.example/a?…"),
        ("http://[::1", "http://…"),
        ("s3://bucket/key?a@b", "s3://bucket/key?a@b"),
        ("file:///photos/a@b.jpg", "file:///photos/a@b.jpg"),
        ("upload:00", "upload:00"),
    ],
)
def test_a_url_is_shown_without_what_lets_others_in(url: str, shown: str) -> None:
    assert url_for_people(url) == shown


def test_a_terminal_obeys_nothing() -> None:
    assert text_for_terminal("a\x1b[2J\x9bb\r\u202ec\n\tü") == "a\ufffd[2J\ufffdb\ufffd\ufffdc\n\tü"


def test_a_log_that_people_read_has_a_terminal_do_nothing() -> None:
    assert _tame(None, "", {"event": "a\x1b[2J", "job": 7}) == {"event": "a\ufffd[2J", "job": 7}
    out = io.StringIO()
    _write_tame_traceback(out, (ValueError, ValueError("a\x1b[2J"), None))
    assert "\x1b" not in out.getvalue()


@given(st.text())
def test_no_text_has_a_terminal_do_something(text: str) -> None:
    shown = text_for_terminal(text)
    assert len(shown) == len(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


@given(st.text(alphabet="'=+- @\t\r\na＝"))
def test_no_cell_is_a_formula_and_each_comes_back(cell: str) -> None:
    shown = cell_for_spreadsheet(cell)
    assert not shown.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert cell_of_spreadsheet(shown) == cell


def test_nothing_shows_texts_otherwise() -> None:
    """Texts go to terminals by `cli.speech`, cells into tables by `cell_for_spreadsheet`."""
    found = []
    for path in [*ROOT.glob("cli/**/*.py"), *ROOT.glob("producer/catalogue/*.py"), *ROOT.glob("console/**/*.py")]:
        code = path.read_text()
        if path.name != "speech.py" and WRITES.search(code):
            found.append(f"{path.relative_to(ROOT)} writes to the terminal by itself")
        if "csv.writer(" in code and "cell_for_spreadsheet" not in code:
            found.append(f"{path.relative_to(ROOT)} writes cells as they came")
    for path in [*ROOT.glob("console/templates/**/*.html"), *ROOT.glob("exporting/templates/**/*.html")]:
        found += [
            f"{path.name} shows {shown}"
            for shown in re.findall(r"{{[^}]*(?:source_uri|input_uri|image_url)[^}]*}}", path.read_text())
            if "|for_people" not in shown
        ]
    assert found == []
