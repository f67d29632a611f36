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
