"""Records which locks each transaction takes, and finds those that are not in the order of `db.locks.ORDER`.

Read from the statements as they are sent: PostgreSQL itself shows locks of rows only while somebody waits for them. So
a statement counts as locking whatever rows it may find. Left out are locks that nobody waits for in a circle: those
of foreign keys and `FOR KEY SHARE` (only who ends a batch waits for them, and it holds no job that it waited for), rows
that a transaction itself inserts, and what triggers lock. Of a statement that does not name its rows it is believed
that it finds those of its table that are locked already, if there are any. What tests send themselves is not looked at.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from sqlalchemy import Connection, Engine, event

from db.functions import FUNCTIONS
from db.locks import IN_ORDER_OF_ID, ORDER, Space

_HOME = Path(__file__).parents[1]
_COMMENT = re.compile(r"--[^\n]*")
_CALL = re.compile(r"SELECT \* FROM (\w+)\(")
_SPACE = re.compile(r"hashtextextended\(.*, (\d+)\)")
_GROUP = re.compile(r"\(([^()]*)\)")
_PARAMETER = re.compile(r"%\((\w+)\)s(?:::\w+(?:\[\])?)?")
_ANY = re.compile(r"ANY ?\((?:CAST\()?(:\w+)(?: AS \w+\[\]\))?\)")
_ADVISORY = re.compile(r"pg_advisory_xact_lock(?:_shared)?\(")
_WRITE = re.compile(r"(?:(?<!NO KEY )(?<!FOR )(?<!DO )UPDATE|DELETE FROM) (?!SET\b)(\w+)(?: AS (\w+))?")
_INSERT = re.compile(r"INSERT INTO (\w+)")
_SELECT = re.compile(r"FOR (?:NO KEY )?(?:UPDATE|SHARE)(?: OF (\w+))?( SKIP LOCKED)?")
_FROM = re.compile(r"(?:FROM|JOIN) (\w+)(?: AS (\w+))?")


@dataclass(frozen=True, slots=True)
class Lock:
    """What a statement locks.

    Args:
        what: A table, or a space of advisory locks.
        keys: Which rows or names; None when the statement alone does not tell.
        waits: Whether it waits for others.
        is_ordered: Whether it is one, or several one after the other by id.
        is_new: Whether it is what is inserted, for which only those wait who insert the same.
    """

    what: str | Space
    keys: frozenset[Any] | None
    waits: bool = True
    is_ordered: bool = True
    is_new: bool = False


def locks_of(statement: str, values: Any) -> list[Lock]:
    """Return what a statement locks, in the order in which it does."""
    given = values if isinstance(values, dict) else {}
    if statement.lstrip().startswith("CREATE "):
        return []
    called = _CALL.match(statement)
    if called is not None and called[1] in FUNCTIONS:
        return _locks_of_function(called[1])
    if _ADVISORY.search(statement):
        return [Lock(Space(given["space"]), frozenset([given["name"]]))]
    found: list[Lock] = []
    for part in _parts(statement):
        for lock in _locks_of_part(part, given):
            # Rows that an earlier part has locked are what a later one writes.
            if not any(lock.what == earlier.what for earlier in found):
                found.append(lock)
    return found


@cache
def _locks_of_function(name: str) -> list[Lock]:
    """Return what the statements of a function of the database lock, one after the other."""
    found: list[Lock] = []
    body = _COMMENT.sub("", FUNCTIONS[name]).partition("BEGIN")[2]
    for statement in body.split(";"):
        spaces = _SPACE.findall(statement) if _ADVISORY.search(statement) else []
        found.extend(Lock(Space(int(space)), None) for space in spaces)
        if not spaces:
            found.extend(locks_of(statement, {}))
    return found


def _parts(statement: str) -> Iterator[str]:
    """Yield a statement without its comments bracket by bracket, the inner ones and the earlier ones first."""
    text = _COMMENT.sub("", statement)
    text = re.sub(r"'(?:[^']|'')*'", "''", text)
    text = _ANY.sub(r"ANY \1", _PARAMETER.sub(r":\1", text))
    text = re.sub(r"\s+", " ", text)
    while (group := _GROUP.search(text)) is not None:
        yield group[1].strip()
        text = f"{text[: group.start()]} ~ {text[group.end() :]}"
    yield text.strip()


def _locks_of_part(part: str, values: dict[str, Any]) -> Iterator[Lock]:
    aliases = {alias or table: table for table, alias in _FROM.findall(part)}
    insert, write, select = _INSERT.search(part), _WRITE.search(part), _SELECT.search(part)
    if select is not None:
        alias = select[1] or next(iter(aliases))
        keys = _keys_of(part, alias, values)
        is_one = "LIMIT 1 " in part or (keys is not None and len(keys) == 1)
        is_sorted = "ORDER BY id" in part or f"ORDER BY {alias}.id" in part
        yield Lock(aliases[alias], keys, waits=not select[2], is_ordered=is_one or is_sorted)
    if insert is not None and "ON CONFLICT" in part:
        yield Lock(insert[1], None, is_new="DO NOTHING" in part)
    elif insert is None and write is not None:
        alias = write[2] or write[1]
        keys = _keys_of(part, alias, values)
        is_one = bool(re.search(rf"(?<![\w.])(?:{alias}\.)?id = +~", part)) or (keys is not None and len(keys) == 1)
        yield Lock(write[1], keys, is_ordered=is_one)


def _keys_of(part: str, alias: str, values: dict[str, Any]) -> frozenset[Any] | None:
    """Return the rows that a condition on the key names."""
    condition = part.partition(" WHERE ")[2]
    told = re.search(rf"(?<![\w.])(?:{alias}\.)?(?:id|account|sha256|uri) = (ANY )?:(\w+)", condition)
    if told is None:
        return None
    value = values[told[2]]
    return frozenset(value) if told[1] else frozenset([value])


@dataclass(slots=True)
class Held:
    """What one transaction has locked so far."""

    keys: dict[str | Space, set[Any]] = field(default_factory=dict)
    furthest: int = -1
    savepoints: list[tuple[dict[str | Space, set[Any]], int]] = field(default_factory=list)

    def keep(self) -> None:
        """Remember what is locked now."""
        self.savepoints.append(({what: set(keys) for what, keys in self.keys.items()}, self.furthest))

    def go_back(self) -> None:
        """Forget what was locked since the last savepoint."""
        self.keys, self.furthest = self.savepoints.pop()

    def take(self, lock: Lock) -> str | None:
        """Note a lock; return what is wrong with it."""
        has = self.keys.get(lock.what, set())
        if lock.keys is not None and lock.keys <= has:
            return None
        if lock.is_new and lock.what == "jobs" and Space.SOURCE in self.keys:
            # Whoever inserts the same job has waited for its source.
            return None
        # Which ones one of two statements finds is not known: those of the other, most likely.
        if None in has or (has and lock.keys is None):
            return None
        if lock.what not in ORDER:
            return f"{lock.what} has no place in db.locks.ORDER"
        place = ORDER.index(lock.what)
        wrong = self._find_wrong(lock, place, has)
        self.keys.setdefault(lock.what, set()).update({None} if lock.keys is None else lock.keys)
        self.furthest = max(self.furthest, place)
        return wrong if lock.waits else None

    def _find_wrong(self, lock: Lock, place: int, has: set[Any]) -> str | None:
        if place < self.furthest:
            return f"{lock.what} after {ORDER[self.furthest]}"
        if lock.what not in IN_ORDER_OF_ID:
            return None
        if not lock.is_ordered:
            return f"several {lock.what} in no order"
        if has and lock.keys and min(lock.keys - has) < max(has):
            return f"{lock.what} {min(lock.keys - has)} after {max(has)}"
        return None


def _is_products(frame: FrameType | None) -> bool:
    """Whether the one who sends a statement is a room of the product, rather than a test."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_HOME) and not path.is_relative_to(_HOME / ".venv"):
            room, *below = path.relative_to(_HOME).parts
            return room != "tests" and not {"migrations", "migrate.py"} & set(below)
        frame = frame.f_back
    return False


class LockRecorder:
    """Follows the transactions of every engine of this process."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._held: WeakKeyDictionary[Any, Held] = WeakKeyDictionary()

    def note(self, connection: Connection, _cursor: object, statement: str, values: Any, *_: object) -> None:
        """Note what a statement of the product has locked; migrations lock whole tables."""
        if not _is_products(sys._getframe(1)):
            return
        held = self._of(connection)
        for each in values if isinstance(values, list) else [values]:
            for lock in locks_of(statement, each):
                wrong = held.take(lock)
                if wrong is not None:
                    self.wrong.append(f"{wrong}: {statement}")
        insert = _INSERT.match(statement)
        if insert is not None and insert[1] == "batches":
            held.keys.setdefault("batches", set()).add(None)

    def begin(self, connection: Connection) -> None:
        """A transaction begins or ends here."""
        self._held[connection] = Held()

    def savepoint(self, connection: Connection, _name: str | None) -> None:
        """What is locked from here on may be given back."""
        self._of(connection).keep()

    def go_back(self, connection: Connection, _name: str, _context: None) -> None:
        """What was locked since then is given back."""
        self._of(connection).go_back()

    def release(self, connection: Connection, _name: str, _context: None) -> None:
        """What was locked since then is kept."""
        self._of(connection).savepoints.pop()

    def _of(self, connection: Connection) -> Held:
        return self._held.setdefault(connection, Held())


@contextmanager
def recording() -> Iterator[LockRecorder]:
    """Record what is locked meanwhile."""
    recorder = LockRecorder()
    listeners: Iterable[tuple[str, Any]] = (
        ("after_cursor_execute", recorder.note),
        ("begin", recorder.begin),
        ("savepoint", recorder.savepoint),
        ("rollback_savepoint", recorder.go_back),
        ("release_savepoint", recorder.release),
    )
    for name, listener in listeners:
        event.listen(Engine, name, listener)
    try:
        yield recorder
    finally:
        for name, listener in listeners:
            event.remove(Engine, name, listener)


@pytest.fixture(autouse=True)
def locks_in_one_order(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which a transaction locks in another order, unless it makes its own transactions of several."""
    with recording() as recorder:
        yield
    if request.node.get_closest_marker("locks_anyhow") is None:
        assert not recorder.wrong, "\n".join(recorder.wrong)
