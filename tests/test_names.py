"""Names tell what is where: a stranger finds a thing by its room and its file, and a word means one thing."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in {"bench", "tests"})
MOST_LINES = 300
# What somebody does may be done anywhere; a file is called after the noun or the step that is in it.
VAGUE = {
    *("collect", "ending", "judging", "outcomes", "tools", "telling", "asking", "acting", "looking", "making"),
    *("acts", "common", "helpers", "manager", "utils"),
}
CRAFTS = {
    *("encoding", "patching", "reading", "rendering", "saving", "sniffing", "sweeping", "tracing", "writing"),
    *("acs_signing", "server_reading", "signing"),
}
"""What people do has a name of its own here, and it is plain in its room what is read, drawn or signed."""


def modules(room: str) -> Iterator[Path]:
    """Yield a room's modules; packages are called as they are, and migrations by their numbers."""
    for path in sorted((ROOT / room).rglob("*.py")):
        if not path.name.startswith("__") and "migrations" not in path.parts:
            yield path


def test_there_are_rooms_to_look_at() -> None:
    assert {"cli", "console", "core", "db", "photos", "producer", "removal", "worker"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_no_two_modules_of_a_room_have_one_name(room: str) -> None:
    found = Counter(path.stem for path in modules(room))
    assert [name for name, times in found.items() if times > 1] == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_has_a_name_that_could_be_anything(room: str) -> None:
    assert [str(path.relative_to(ROOT)) for path in modules(room) if path.stem in VAGUE] == []


def test_a_module_is_called_after_a_noun_or_one_of_the_known_crafts() -> None:
    found = {path.stem for room in ROOMS for path in modules(room) if path.stem.endswith("ing")}
    assert found - CRAFTS == set()


@pytest.mark.parametrize("room", [*ROOMS, "bench"])
def test_no_file_is_longer_than_one_reads_at_once(room: str) -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(room)}
    assert {path: lines for path, lines in long.items() if lines > MOST_LINES} == {}


def test_one_class_name_means_one_thing() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for room in ROOMS:
        for path in modules(room):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes[node.name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}
