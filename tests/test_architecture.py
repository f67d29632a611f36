"""ARCHITECTURE.md names what there is."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_each_promise_names_a_test_that_there_is() -> None:
    named = re.findall(r"\| `([\w/]+\.py)(?:::(\w+))?` \|", TEXT)
    assert len(named) > 20
    tests = Path(__file__).parent
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (tests / file).is_file() or f"def {name}" not in (tests / file).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_what_is_said_to_be_somewhere_is_there() -> None:
    [table] = re.findall(r"\| where is it\? \|.*?\n\n", TEXT, re.DOTALL)
    rows = [line for line in table.splitlines()[2:] if line]
    assert len(rows) >= 8
    missing = []
    for row in rows:
        paths = [Path(__file__).parents[1] / path for path in re.findall(r"`([\w/]+/[\w.]*)`", row)]
        missing += [str(path) for path in paths if not path.exists()]
        text = "".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
        functions = re.findall(r"`([a-z_]+)`", row.split("|")[2])
        missing += [name for name in functions if paths[0].is_file() and f"def {name}(" not in text]
    assert missing == []
