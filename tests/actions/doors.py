"""The three doors to an action, and all that a database holds after it."""

import asyncio
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, text

from cli.actor import actor
from cli.group import cleanplate
from console.app import make_app
from core.errors import CleanplateError
from core.settings import load_settings
from db import cancels, requeues, tokens, users
from db.session import transact
from db.tokens import Scope
from db.users import Role

PERSON, TOKEN = "ann", "t"
RANDOM = {"slug", "secrets", "hash", "form_key", "password_hash"}
"""Columns that hold what nobody can guess."""
NAMES = {
    ("audit", "actor"),
    ("batches", "canary_overridden_by"),
    ("decisions", "decided_by"),
    ("flags", "flagged_by"),
    ("acknowledgements", "acknowledged_by"),
}
"""Columns that tell who acted."""
USED_BY_REST = {("tokens", "last_used_at")}
"""Columns that tell through which door somebody came."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of an action at a door.

    Args:
        is_done: Whether it was not refused.
        words: All that the door says.
    """

    is_done: bool
    words: str


@dataclass(frozen=True, slots=True)
class Typed:
    """What is typed."""

    words: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What a program asks, below `/v1`."""

    path: str
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """What a page's form sends."""

    path: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NoDoor:
    """Why an action cannot be asked for here."""

    why: str


Ask = Typed | Request | Form


class Doors:
    """Lets actions through on one database, which begins anew for each.

    Args:
        engine: The database that the process' settings name.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._app = make_app(engine, load_settings())
        self._cookies = httpx.Cookies()
        self._token = ""

    def begin(self, prepare: Callable[[Engine], object]) -> None:
        """Empty the database, let in who acts, and prepare what is acted upon."""
        with self._engine.begin() as connection:
            names = ", ".join(_tables(connection))
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
            person = users.add(connection, PERSON, Role.ADMIN, None)
            assert person is not None
            self._cookies = httpx.Cookies({"cleanplate_session": users.open_session(connection, person.id)})
            _, self._token = tokens.create(connection, name=TOKEN, scopes=list(Scope))
        prepare(self._engine)

    def ask(self, asked: Ask) -> Said:
        """Ask for an action, and let the dispatcher do what it does after it."""
        match asked:
            case Typed():
                said = self._type(asked)
            case Request():
                said = self._request(asked)
            case Form():
                said = self._send(asked)
        for duty in (cancels.cancel_stragglers, requeues.go_on):
            while transact(self._engine, duty):
                pass
        return said

    def _type(self, asked: Typed) -> Said:
        result = CliRunner().invoke(cleanplate, asked.words, input=asked.stdin or None, standalone_mode=False)
        if result.exception is not None and not isinstance(result.exception, CleanplateError):
            raise result.exception
        is_done = result.exception is None and not result.return_value
        return Said(is_done, f"{result.output} {result.exception or ''}")

    def _request(self, asked: Request) -> Said:
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._call("POST", f"/v1/{asked.path}", json=asked.body, headers=headers)
        assert answer.status_code in {200, 404, 409, 422}, answer.text
        told = answer.json()
        return Said(answer.is_success, told.get("detail") or (told.get("asked") or {}).get("question", ""))

    def _send(self, asked: Form) -> Said:
        csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', self._call("GET", "/audit").text)
        assert csrf is not None
        answer = self._call("POST", asked.path, data={"csrf": csrf[1], **asked.fields})
        is_done = answer.status_code in {200, 303}
        if answer.status_code == 303:
            answer = self._call("GET", answer.headers["location"])
        return Said(is_done, html.unescape(answer.text))

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(self._app), base_url="http://127.0.0.1", cookies=self._cookies
            ) as client:
                answer = await client.request(method, path, **{"headers": {"accept": "text/html"}, **more})
                self._cookies = client.cookies
                return answer

        return asyncio.run(call())


ACTORS = {Typed: actor(), Request: f"token {TOKEN}", Form: PERSON}
"""Who acts at each door, as the audit log names them."""


def look(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, without times, secrets and the names of who acts."""
    with engine.connect() as connection:
        now = connection.execute(text("SELECT now()")).scalar_one()
        found = {}
        for table in _tables(connection):
            rows = connection.execute(text(f"SELECT * FROM {table}")).mappings()
            found[table] = sorted(
                ({name: _plain(table, name, value, now) for name, value in row.items()} for row in rows), key=repr
            )
    return found


def actors(engine: Engine) -> set[str]:
    """Return who acts, by the audit log."""
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT actor FROM audit")).scalars())


def _tables(connection: Connection) -> list[str]:
    statement = text(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
    )
    return list(connection.execute(statement).scalars())


def _plain(table: str, name: str, value: Any, now: datetime) -> Any:
    if (table, name) in USED_BY_REST or ((table, name) in NAMES and value is not None):
        return "one of three"
    if isinstance(value, list) and name in RANDOM:
        return len(value)
    if isinstance(value, UUID) and name == "id":
        return "its own"
    if table == "decisions" and isinstance(value, dict):
        return [{**row, "finished_at": "past"} for row in value["jobs"]]
    if isinstance(value, dict):
        return {key: "secret" if key.endswith("_secret") else each for key, each in value.items()}
    if value is not None and name in RANDOM:
        return "secret"
    if isinstance(value, datetime):
        return "past" if value <= now else "ahead"
    return value
