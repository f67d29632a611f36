"""The migrations make exactly what the models say, can be undone, and are run by one process at a time."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, make_url, text

from core.errors import Refused, UsageError
from core.settings import SANDBOX_KEY
from core.states import AnswerClass, Lane, Spend
from db import attempts, cancels, costs, locks, migrate, processes, queue, requeues, tallies
from db.attempts import AttemptResult
from db.budgets import Tariff
from db.locks import Duty
from db.migrate import begin_beside, configuration, is_current, newest_revision, refuse_older_schema, upgrade
from db.models import Base
from db.session import make_engine
from tests.db.rows import call, claim, make_batch, put, state_of
from tests.db.upgrading import before, migrate_to
from tests.db.waiting import wait_for_lock


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


def _checks(connection: Connection, schema: str) -> dict[str, tuple[str, bool]]:
    statement = text(
        "SELECT c.conname, pg_get_constraintdef(c.oid), c.convalidated FROM pg_constraint AS c "
        "JOIN pg_namespace AS n ON n.oid = c.connamespace WHERE c.contype = 'c' AND n.nspname = :schema"
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(statement, {"schema": schema})}


def test_the_newest_schema_checks_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        migrated = _checks(connection, "public")
        connection.execute(text("CREATE SCHEMA modelled"))
        connection.execute(text("SET LOCAL search_path = modelled"))
        Base.metadata.create_all(connection)
        assert len(migrated) > 10
        assert migrated == _checks(connection, "modelled")


def _storage(connection: Connection, schema: str) -> dict[str, list[str]]:
    statement = text(
        "SELECT c.relname, c.reloptions FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE c.reloptions IS NOT NULL AND n.nspname = :schema"
    )
    return {row[0]: sorted(row[1]) for row in connection.execute(statement, {"schema": schema})}


def test_the_newest_schema_is_stored_as_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        migrated = _storage(connection, "public")
        connection.execute(text("CREATE SCHEMA modelled"))
        connection.execute(text("SET LOCAL search_path = modelled"))
        Base.metadata.create_all(connection)
        assert {"jobs", "attempts", "batch_count_changes", "processes"} < migrated.keys()
        assert migrated == _storage(connection, "modelled")


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


def test_a_schema_newer_than_the_program_is_left_as_it_is(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    upgrade(engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    refuse_older_schema(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_the_newest_revision_is_known_without_alembic() -> None:
    script = ScriptDirectory.from_config(configuration())
    assert newest_revision() == script.get_current_head()
    assert all(Path(each.path).name.startswith(f"{each.revision}_") for each in script.walk_revisions())


def test_a_process_that_finds_the_newest_schema_loads_no_alembic(database_url: str) -> None:
    code = f"import sys; from db.migrate import upgrade; upgrade({database_url!r}); sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


BROKEN = (
    "INSERT INTO batches (name, source_key, lane, state, pause_reason, options, finished_at) VALUES "
    "('paused for no reason', 'k', 'bulk', 'paused', NULL, '{}', NULL), "
    "('resumed, and says why it is paused', 'k', 'bulk', 'active', 'hand', '{}', now()), "
    "('ended at no time', 'k', 'bulk', 'finished', NULL, '{}', NULL)",
    "INSERT INTO artifacts (sha256, uri, size_bytes, format, width, height) VALUES ('a', 'x', 1, 'PNG', 1, 1)",
    "INSERT INTO jobs (batch_id, state, queued_at, lease_token, lease_expires_at, code, artifact_sha256, finished_at, "
    "source_uri, item_key, name, elements, subject_elements) SELECT 1, state, queued_at, "
    "lease_token, lease_expires_at, code, artifact, finished_at, 'u', row_number() OVER ()::text, 'n', '{1}', '{1}' "
    "FROM (VALUES "
    "('queued', NULL, NULL, NULL, NULL, NULL, NULL), "
    "('pending', now(), gen_random_uuid(), NULL, '801', 'a', now()), "
    "('running', now(), NULL, now() + interval '1 h', NULL, NULL, NULL), "
    "('running', NULL, gen_random_uuid(), NULL, NULL, NULL, NULL), "
    "('succeeded', NULL, gen_random_uuid(), now(), NULL, 'a', NULL), "
    "('succeeded', NULL, NULL, NULL, '200', NULL, now()), "
    "('dead', NULL, NULL, NULL, NULL, 'a', NULL), "
    "('held', NULL, NULL, NULL, 'unchanged', 'a', now()), "
    "('cancelled', now(), NULL, NULL, NULL, 'a', now())"
    ") AS j (state, queued_at, lease_token, lease_expires_at, code, artifact, finished_at)",
    "INSERT INTO attempts (job_id, batch_id, lease_token, worker, sent_at, answered_at, answer_class, spend) VALUES "
    "(1, 1, gen_random_uuid(), 'w', now(), NULL, NULL, 'maybe'), "
    "(1, 1, gen_random_uuid(), 'w', now(), NULL, 'success', 'paid'), "
    "(1, 1, gen_random_uuid(), 'w', now(), now(), NULL, 'none'), "
    "(1, 1, gen_random_uuid(), 'w', NULL, NULL, NULL, 'none')",
)


def test_rows_of_older_versions_are_mended_to_keep_what_their_states_ask(engine: Engine) -> None:
    migrate_to(engine, before("0007"))
    with engine.begin() as connection:
        for statement in BROKEN:
            connection.execute(text(statement))
    migrate_to(engine, "0007")
    with engine.connect() as connection:
        assert all(is_checked for _, is_checked in _checks(connection, "public").values())
        assert connection.execute(text("SELECT state, pause_reason FROM batches ORDER BY id")).all() == [
            ("paused", "hand"),
            ("active", None),
            ("finished", None),
        ]
        found = connection.execute(
            text("SELECT state, code, artifact_sha256, lease_expires_at <= now() FROM jobs ORDER BY id")
        ).all()
        assert found == [
            ("queued", None, None, None),
            ("pending", "801", None, None),
            ("running", None, None, True),
            ("running", None, None, True),
            ("succeeded", "200", "a", None),
            ("dead", "output_missing", None, None),
            ("dead", "unknown", None, None),
            ("held", "unchanged", "a", None),
            ("cancelled", None, "a", None),
        ]
        answers = connection.execute(text("SELECT answer_class, spend FROM attempts ORDER BY id")).all()
        assert answers == [(None, "maybe"), ("success", "paid"), ("unknown", "none"), ("unknown", "none")]
    migrate_to(engine, "head")
    assert is_current(engine)


def test_a_migration_refuses_to_run_beside_what_it_names_while_that_is_alive(engine: Engine) -> None:
    with engine.begin() as connection:
        migrate.refuse_beside(connection, "worker")
        processes.beat(connection, "w1", "worker")
        processes.beat(connection, "d1", "dispatcher")
        with pytest.raises(Refused, match=r"every worker stopped first, and w1 showed up"):
            migrate.refuse_beside(connection, "worker")
        with pytest.raises(Refused, match=r"d1, w1"):
            migrate.refuse_beside(connection, "worker", "dispatcher")
        migrate.refuse_beside(connection, "web")
        connection.execute(text("UPDATE processes SET seen_at = now() - interval '1 minute' WHERE name = 'w1'"))
        migrate.refuse_beside(connection, "worker")


def test_a_run_that_was_stopped_is_gone_on_with(engine: Engine) -> None:
    migrate_to(engine, "0007")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs DROP CONSTRAINT ck_jobs_lease, DROP CONSTRAINT ck_jobs_code"))
        connection.execute(text("ALTER TABLE attempts DROP CONSTRAINT ck_attempts_open"))
        connection.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": before("0007")})
        expected = _checks(connection, "public")
    migrate_to(engine, "0007")
    with engine.connect() as connection:
        assert _checks(connection, "public").keys() - expected.keys() == {
            "ck_jobs_lease",
            "ck_jobs_code",
            "ck_attempts_open",
        }


def test_nobody_waits_behind_a_migration_that_waits_for_a_long_transaction(engine: Engine) -> None:
    migrate_to(engine, before("0007"))
    waiting = text("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted")
    with engine.connect() as long, engine.connect() as other:
        long.execute(text("UPDATE batches SET name = name"))
        migrating = threading.Thread(target=migrate_to, args=(engine, "0007"))
        migrating.start()
        other.execution_options(isolation_level="AUTOCOMMIT")
        while not other.execute(waiting).scalar_one():
            assert migrating.is_alive()
        # It stands in line behind the migration, which gives up its place.
        other.execute(text("SET statement_timeout = '30s'"))
        assert other.execute(text("SELECT count(*) FROM batches")).scalar_one() == 0
        assert migrating.is_alive()
        long.rollback()
    migrating.join(60)
    assert not migrating.is_alive()
    with engine.connect() as connection:
        assert "ck_batches_state" in _checks(connection, "public")


def test_a_call_that_is_settled_while_costs_are_summed_up_anew_is_in_them(engine: Engine) -> None:
    job_ids = make_batch(engine, 2, queued=True)
    first, second = (call(engine, job_id, Tariff(Decimal("0.05"))) for job_id in job_ids)
    assert first is not None
    assert second is not None
    migrate_to(engine, before("0009"))
    paid = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
    with engine.begin() as connection:
        attempts.settle(connection, first, paid)
        tallies.fold(connection)
        connection.execute(text("DELETE FROM batch_counts WHERE what LIKE 'cost:%'"))
    waiting = text("SELECT count(*) FROM pg_locks WHERE mode = 'ShareRowExclusiveLock' AND NOT granted")
    with engine.connect() as worker, engine.connect() as other:
        attempts.settle(worker, second, paid)
        migrating = threading.Thread(target=migrate_to, args=(engine, "0009"))
        migrating.start()
        other.execution_options(isolation_level="AUTOCOMMIT")
        while not other.execute(waiting).scalar_one():
            assert migrating.is_alive()
        worker.commit()
        migrating.join(60)
    with engine.connect() as connection:
        assert tallies.tally(connection, [1])[1].cost == Decimal("0.10")


def test_what_was_called_before_there_was_a_ledger_is_in_it(engine: Engine) -> None:
    job_ids = make_batch(engine, 3, queued=True)
    first, second = (call(engine, job_id, Tariff(Decimal("0.05"))) for job_id in job_ids[:2])
    assert first is not None
    assert second is not None
    paid = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
    with engine.begin() as connection:
        put(connection, "succeeded", "id = 3", reused_from=1)
    migrate_to(engine, before("0020"))
    with engine.begin() as connection:
        attempts.settle(connection, first, paid)
    migrate_to(engine, "0020")
    with engine.begin() as connection:
        attempts.settle(connection, second, paid)
    for _ in range(2):
        with engine.begin() as connection:
            [line] = costs.ledger(connection, batch_id=1, days=None)
            assert (line.calls, line.paid, line.cost, line.reused) == (2, 2, Decimal("0.10"), 1)
            costs.fold(connection)


def test_what_the_sandbox_was_called_for_before_cost_nothing(engine: Engine) -> None:
    job_ids = make_batch(engine, 3, queued=True)
    tariff = Tariff(Decimal("0.05"))
    first, second = (call(engine, job_id, tariff, SANDBOX_KEY) for job_id in job_ids[:2])
    third = call(engine, job_ids[2], tariff)
    migrate_to(engine, before("0024"))
    paid = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
    lost = AttemptResult(AnswerClass.MAYBE_BILLED, "read_timeout", "", spend=Spend.MAYBE)
    for attempt_id, outcome in ((first, paid), (second, lost), (third, paid)):
        assert attempt_id is not None
        with engine.begin() as connection:
            attempts.settle(connection, attempt_id, outcome)
    with engine.begin() as connection:
        costs.fold(connection)
        assert [line.cost for line in costs.ledger(connection, batch_id=1, days=None)] == [Decimal("0.15")]
    # Run again as after one that was stopped, it changes nothing.
    for _ in range(2):
        migrate_to(engine, "0024")
        with engine.begin() as connection:
            [line] = costs.ledger(connection, batch_id=1, days=None)
            assert (line.calls, line.paid, line.cost, line.maybe_cost) == (3, 2, Decimal("0.05"), Decimal(0))
            assert tallies.tally(connection, [1])[1].cost == Decimal("0.05")
            connection.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": before("0024")})
    migrate_to(engine, "0024")
    migrate_to(engine, before("0024"))
    with engine.begin() as connection:
        assert [line.cost for line in costs.ledger(connection, batch_id=1, days=None)] == [Decimal("0.15")]


def test_a_call_that_is_settled_while_the_ledger_begins_anew_is_in_it_once(engine: Engine) -> None:
    step = ScriptDirectory.from_config(configuration()).get_revision("0020").module

    def begin_again() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            changes = (*step.FORGET, *step.KEEPING)
            begin_beside(connection, locked="jobs, attempts", changes=changes, past=step.PAST)

    ids = [call(engine, job_id, Tariff(Decimal("0.05"))) for job_id in make_batch(engine, 2, queued=True)]
    first, second = (attempt_id for attempt_id in ids if attempt_id is not None)
    paid = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            attempts.settle(connection, first, paid)
            beginning = pool.submit(begin_again)
            assert wait_for_lock(engine, beginning), "the triggers wait for whoever writes"
        beginning.result(60)
    with engine.begin() as connection:
        attempts.settle(connection, second, paid)
        [line] = costs.ledger(connection, batch_id=1, days=None)
    assert (line.calls, line.paid, line.cost) == (2, 2, Decimal("0.10"))


def test_a_call_that_is_being_settled_and_the_summing_of_costs_do_not_end_each_other(engine: Engine) -> None:
    [job_id] = make_batch(engine, 1, queued=True)
    job = claim(engine, job_id)
    assert job is not None
    with engine.begin() as connection:
        called = attempts.open_call(connection, job, worker="w", account="a", tariff=Tariff(Decimal("0.05")))
    assert called is not None
    migrate_to(engine, before("0009"))
    paid = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE jobs SET output_url = 'http://127.0.0.1/output' WHERE id = :id"), {"id": job_id}
            )
            migrating = pool.submit(migrate_to, engine, "0009")
            wait_for_lock(engine, migrating)
            attempts.settle(connection, called, paid)
        migrating.result(60)
    with engine.begin() as connection:
        tallies.fold(connection)
        assert tallies.tally(connection, [1])[1].cost == Decimal("0.05")


def test_costs_are_summed_up_right_while_others_add_up_changes(engine: Engine) -> None:
    first, second = (call(engine, job_id, Tariff(Decimal("0.05"))) for job_id in make_batch(engine, 2, queued=True))
    assert first is not None
    assert second is not None
    migrate_to(engine, before("0009"))
    paid = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
    with engine.begin() as connection:
        attempts.settle(connection, first, paid)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            tallies.fold(connection)
            migrating = pool.submit(migrate_to, engine, "0009")
            assert wait_for_lock(engine, migrating)
        migrating.result(60)
    with engine.begin() as connection:
        attempts.settle(connection, second, paid)
        tallies.fold(connection)
        assert tallies.tally(connection, [1])[1].cost == Decimal("0.10")


def test_a_batch_that_was_cancelled_before_cancels_had_a_time_stays_so(engine: Engine) -> None:
    migrate_to(engine, before("0005"))
    dead, waiting = make_batch(engine, 2)
    with engine.begin() as connection:
        connection.execute(text("UPDATE batches SET state = 'cancelled'"))
        connection.execute(text("UPDATE jobs SET state = 'dead' WHERE id = :id"), {"id": dead})
    migrate_to(engine, "head")
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, dead)
    with engine.begin() as connection:
        assert [job.id for job in queue.queue_due(connection, Lane.BULK, 10)] == [dead]
    with engine.begin() as connection:
        assert cancels.cancel_stragglers(connection) == 1
    assert state_of(engine, waiting) == "cancelled"


@pytest.mark.parametrize("version", ["0009", None])
def test_a_worker_does_not_run_on_an_older_schema(engine: Engine, version: str | None) -> None:
    migrate.refuse_older_schema(engine)
    with engine.begin() as connection:
        if version is None:
            connection.execute(text("DROP TABLE alembic_version"))
        else:
            connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    with pytest.raises(UsageError, match="cleanplate db upgrade"):
        migrate.refuse_older_schema(engine)
