"""No expression takes more than time in proportion to what it is fed, however it is made up."""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("actions", "cli", "console", "core", "db", "photos", "producer", "quote", "removal", "worker")
HOW = "match|fullmatch|search|split|finditer|sub"
FEW, MANY = 10_000, 1_000_000
WORST = [
    *(" ", ",", "a", "0", "-", '"', "'", "\\", "'''", "=", "/", "?", "%", "\t", ";", "\n", "(", "_", ".", ":"),
    *(" ,", ", ", "a ", " a", "0,", "0 ", '""', '\\"', "http", "https://", '"image_url"', '"image_url" ', "&v="),
    *("webhook_id=", "ban will last ", "0x0", "<code>job ", "calllimit", "access"),
]
FIRST = ["", "a", '"', 'x"image_url":"', "0x0: ", "http://a/", "ban will last 1"]


def used() -> Iterator[tuple[str, str, re.Pattern[Any]]]:
    """Yield the name of each compiled expression, how it is used, and itself."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            source = path.read_text()
            if "re.compile(" not in source:
                continue
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for name, pattern in vars(module).items():
                if isinstance(pattern, re.Pattern):
                    for how in sorted(
                        set(re.findall(rf"\b{name}\.(match|fullmatch|search|split|finditer|sub)\b", source))
                    ):
                        yield f"{path.stem}.{name}.{how}", how, pattern


def applied(pattern: re.Pattern[Any], how: str) -> Callable[[Any], object]:
    """Return what uses an expression on a text, and comes to its end."""
    if how == "sub":
        empty = b"" if isinstance(pattern.pattern, bytes) else ""
        return lambda text: pattern.sub(empty, text)
    if how == "finditer":
        return lambda text: sum(1 for _ in pattern.finditer(text))
    method: Callable[[Any], object] = getattr(pattern, how)
    return method


@pytest.mark.parametrize(("how", "pattern"), [pytest.param(*each[1:], id=each[0]) for each in used()])
def test_an_expression_is_linear(how: str, pattern: re.Pattern[Any]) -> None:
    use = applied(pattern, how)

    def feed(first: str, part: str, count: int) -> float:
        text: Any = first + part * (count // len(part)) + "\x00!"
        text = text.encode() if isinstance(pattern.pattern, bytes) else text
        began = time.process_time()
        use(text)
        return time.process_time() - began

    spent, first, part = max((feed(first, part, FEW), first, part) for first in FIRST for part in WORST)
    # What takes a square needs a second for the few, and an hour for the many.
    assert spent < 0.4, (first, part)
    assert feed(first, part, MANY) < 4.0, (first, part)


def test_expressions_are_where_this_test_finds_them() -> None:
    """One that is not kept in a name of its module is used on what is short, or is written by people."""
    calls = [
        (str(path.relative_to(ROOT)), node.func)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    found = {
        f"{path}: {call.attr}"
        for path, call in calls
        if isinstance(call.value, ast.Name) and call.value.id == "re" and call.attr not in {"escape", "compile"}
    }
    assert found == {
        "core/machine.py: fullmatch",
        "producer/catalogue/item.py: split",
        "producer/webhooks/shop_intake.py: search",
        "producer/webhooks/shop_secrets.py: fullmatch",
    }
