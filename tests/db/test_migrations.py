"""The migrations make exactly what the models say, can be undone, and are run by one process at a time."""

import threading
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, make_url

from db import locks, migrate
from db.locks import Duty
from db.migrate import configuration, is_current, upgrade
from db.models import Base
from db.session import make_engine


@pytest.fixture
def empty(postgres_url: str) -> Iterator[Engine]:
    """Yield an engine on a database without a table."""
    admin = make_engine(postgres_url, pooled=False).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE empty")
    yield make_engine(make_url(postgres_url).set(database="empty").render_as_string(hide_password=False), pooled=False)
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE empty WITH (FORCE)")


def test_the_newest_schema_is_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_every_step_can_be_undone_and_done_again(engine: Engine) -> None:
    config = configuration()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    assert inspect(engine).has_table("daily_calls")


def test_one_that_comes_while_another_migrates_waits_for_it(empty: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def ask(*args: object) -> bool:
        asked.set()
        return try_duty(*args)  # type: ignore[arg-type]

    try_duty = locks.try_duty
    monkeypatch.setattr(migrate, "TURN_SECONDS", 0.01)
    with empty.connect() as other:
        assert locks.try_duty(other, Duty.MIGRATE)
        monkeypatch.setattr(locks, "try_duty", ask)
        late = threading.Thread(
            target=upgrade, args=(empty.url.set(drivername="postgresql").render_as_string(hide_password=False),)
        )
        late.start()
        assert asked.wait(30)
        assert inspect(empty).get_table_names() == []
    late.join(60)
    assert is_current(empty)
