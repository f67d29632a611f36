"""What migrations send, seen statement by statement, and a database of an older version with rows in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, text

from db.migrate import configuration

FIRST_ROWS = (
    "INSERT INTO batches (name, source_key, lane, state, options) "
    "SELECT 'b' || n, 'k' || n, 'bulk', 'active', '{}' FROM generate_series(1, 3) AS n",
    "INSERT INTO artifacts (sha256, uri, size_bytes, format, width, height) VALUES ('a', 'x', 1, 'PNG', 1, 1)",
    "INSERT INTO jobs (batch_id, state, attempts, source_uri, item_key, name, sku, elements, subject_elements, code, "
    "artifact_sha256, source_sha256, content_key, started_at, finished_at) "
    "SELECT 1 + n % 3, CASE WHEN done THEN 'succeeded' ELSE 'pending' END, done::int, '/photos/' || n, "
    "'i' || n, 'p' || n || '.jpg', 's' || n, '{1}', '{1}', CASE WHEN done THEN '200' END, CASE WHEN done THEN 'a' END, "
    "CASE WHEN done THEN md5('s' || n) END, CASE WHEN done THEN md5('c' || n) END, "
    "CASE WHEN done THEN now() END, CASE WHEN done THEN now() END "
    "FROM (SELECT n, n % 2 = 0 AS done FROM generate_series(1, :jobs) AS n) AS each",
    "INSERT INTO attempts (job_id, batch_id, lease_token, worker, sent_at, answered_at, answer_class, code, spend) "
    "SELECT id, batch_id, gen_random_uuid(), 'w', now(), now(), 'success', '200', 'paid' FROM jobs "
    "WHERE state = 'succeeded'",
    "ANALYZE",
)
"""As of the very first schema: half of the photos are done, with a call each."""


def revisions() -> list[str]:
    """Return every revision, the first one first."""
    return [each.revision for each in ScriptDirectory.from_config(configuration()).walk_revisions()][::-1]


def upgrade_to(engine: Engine, revision: str) -> None:
    """Run the migrations up to one."""
    config = configuration()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def migrate_to(engine: Engine, revision: str) -> None:
    """Bring a database up to a revision, or back to one."""
    config = configuration()
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        is_back = revision in {each.revision for each in script.iterate_revisions(found, "base")}
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        (command.downgrade if is_back else command.upgrade)(config, revision)


def before(revision: str) -> str:
    """Return the revision that one comes after."""
    found = ScriptDirectory.from_config(configuration()).get_revision(revision).down_revision
    assert isinstance(found, str)
    return found


def go_back_to_first(engine: Engine, jobs: int) -> None:
    """Make a database of the very first version, with so many photos, of which half are done."""
    config = configuration()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    fill(engine, jobs)


def fill(engine: Engine, jobs: int) -> None:
    """Put photos into a database of whatever version; half of them are done."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in FIRST_ROWS:
            connection.execute(text(statement), {"jobs": jobs} if ":jobs" in statement else None)


Heard = Callable[[Connection, str], None]


@contextmanager
def listening(*, before: Heard | None = None, after: Heard | None = None) -> Iterator[None]:
    """Hear of each statement that SQLAlchemy sends, on whatever connection."""

    def tell_before(connection: Connection, _cursor: object, statement: str, *_: Any) -> None:
        if before is not None:
            before(connection, statement)

    def tell_after(connection: Connection, _cursor: object, statement: str, *_: Any) -> None:
        if after is not None:
            after(connection, statement)

    event.listen(Engine, "before_cursor_execute", tell_before)
    event.listen(Engine, "after_cursor_execute", tell_after)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", tell_before)
        event.remove(Engine, "after_cursor_execute", tell_after)
