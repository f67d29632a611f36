"""What is asked again and again is found by key, whatever the planner believes, and costs no more when much waits."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import Engine, make_url, text

from db import cancels, circuits, failures, processes, requeues, retention
from db.session import make_engine
from localstack.embedded import EmbeddedPostgres
from tests.db.believing import BELIEFS, Belief, believe
from tests.db.duties import DISPATCHING, ROOM, STEERING, WORKING, Duty
from tests.db.explaining import Plan, explained
from tests.db.rows import ACCOUNT

DUTIES: dict[str, dict[str, Duty]] = {"dispatching": DISPATCHING, "steering": STEERING, "working": WORKING}
"""More are added here: by name, what does a part of our work and runs in a transaction of its own."""

FEW = 1_000
MANY = 20_000
BATCHES = 40
LIVE = 20
"""Jobs that are queued, and that run, however many wait."""
CHANGES = 200
FORGOTTEN = 200

LARGE = {"jobs", "attempts", "batches", "batch_counts", "ledger_days", "callbacks", "deliveries", "writebacks"}
"""Tables that grow with what was ever handed in. What else is read whole stays small: what changed in the last second
(that is deleted as it is read), processes, accounts, requests that are under way."""
MOST_SORTED = 4 * ROOM + BATCHES
MOST_PASSED_OVER = 2_000
"""Rows that one step throws away: what forgetting looks at is more than it finds, by design."""
ALLOWANCE = 60
"""Pages: an index of many rows is a level or two higher, and each row that is written goes into several."""


@contextmanager
def cloned(postgres: EmbeddedPostgres, template: str, name: str) -> Iterator[Engine]:
    """Yield an engine on a database of its own with the newest schema."""
    admin = make_engine(postgres.url_of("postgres"), pooled=False).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    engine = make_engine(make_url(postgres.url_of(name)).render_as_string(hide_password=False), pool_size=1)
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def fill(engine: Engine, jobs: int) -> None:
    """Make batches that are done, some that are active, two of which have nearly all that wait, and old calls."""
    with engine.begin() as connection:
        for statement in _ROWS:
            connection.execute(text(statement), {"jobs": jobs, "batches": jobs // 50, **_SIZES})
        circuits.trip(connection, ACCOUNT, reason="account", code="x", message="x")
        connection.execute(text("UPDATE circuits SET next_probe_at = now(), probe_job_id = 1"))
        processes.beat(connection, "w", "worker")


def vacuum(engine: Engine) -> None:
    """Bring tables to the state they come to by themselves, so that no first look at a row counts as part of a duty."""
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("VACUUM"))


_SIZES = {"live": LIVE, "changes": CHANGES, "active": BATCHES, "old": 2 * FORGOTTEN}
_JOB = "source_uri, item_key, name, elements, subject_elements"
_ROWS = (
    "INSERT INTO artifacts VALUES ('an output', 'postgres:', 1, 'JPEG', 1, 1)",
    # Ended ones first: of each twenty one is cancelled. Then a few that are active, of both lanes.
    "INSERT INTO batches (name, source_key, lane, state, options, finished_at, cancelled_at) SELECT 'b', n::text, "
    "'bulk', CASE WHEN n % 20 = 0 THEN 'cancelled' ELSE 'finished' END, '{}', now(), "
    "CASE WHEN n % 20 = 0 THEN now() END FROM generate_series(1, :batches) AS n",
    "INSERT INTO batches (name, source_key, lane, state, options, max_calls, canary_state) SELECT 'b', 'a' || n, "
    "CASE WHEN n % 2 = 0 THEN 'bulk' ELSE 'interactive' END, 'active', '{}', CASE WHEN n % 4 = 0 THEN 1000 END, "
    "CASE WHEN n = 3 THEN 'running' END FROM generate_series(1, :active) AS n",
    "INSERT INTO batches (name, source_key, lane, state, options, pause_reason, max_calls) SELECT 'b', 'p' || n, "
    "'bulk', 'paused', '{}', 'budget', 0 FROM generate_series(1, 5) AS n",
    f"INSERT INTO jobs (batch_id, state, code, finished_at, artifact_sha256, {_JOB}) SELECT 1 + n % :batches, "
    "'succeeded', '200', now(), 'an output', 'u', n::text, 'n', '{1}', '{1}' FROM generate_series(1, :jobs) AS n",
    # One batch with nearly all that wait, of each lane; the others have two.
    f"INSERT INTO jobs (batch_id, state, available_at, is_canary, {_JOB}) SELECT b.id, 'pending', "
    "now() - interval '1 hour' + n * interval '1 ms', n = 1 AND b.canary_state IS NOT NULL, 'u', 'p' || n, 'n', "
    "'{1}', '{1}' FROM batches AS b CROSS JOIN LATERAL generate_series(1, CASE WHEN b.source_key IN ('a1', 'a2') "
    "THEN :jobs ELSE 2 END) AS n WHERE b.state = 'active' ORDER BY b.id, n",
    # What is queued is what has waited longest.
    "INSERT INTO queued_jobs (job_id, batch_id, queued_at) SELECT j.id, b.id, now() - interval '9 s' "
    "FROM batches AS b CROSS JOIN LATERAL (SELECT id FROM jobs WHERE batch_id = b.id ORDER BY id LIMIT :live / 2) AS j "
    "WHERE b.source_key IN ('a1', 'a2')",
    f"INSERT INTO jobs (batch_id, state, lease_token, lease_expires_at, worker, {_JOB}) SELECT b.id, 'running', "
    "gen_random_uuid(), now() - interval '9 s', 'w', 'u', 'r' || n, 'n', '{1}', '{1}' FROM batches AS b, "
    "generate_series(1, :live / 2) AS n WHERE b.source_key IN ('a1', 'a2')",
    # One whose cancel is being written down, and one whose dead photos go round again.
    "INSERT INTO batches (name, source_key, lane, state, options, finished_at) SELECT 'b', key, 'bulk', 'finished', "
    "'{}', now() FROM unnest(ARRAY['c', 'd', 'e']) AS key",
    f"INSERT INTO jobs (batch_id, state, code, finished_at, {_JOB}) SELECT b.id, CASE b.source_key WHEN 'c' THEN "
    "'pending' ELSE 'dead' END, CASE b.source_key WHEN 'c' THEN NULL ELSE '801' END, "
    "CASE b.source_key WHEN 'c' THEN NULL ELSE now() END, "
    "'u', n::text, 'n', '{1}', '{1}' FROM batches AS b, generate_series(1, :jobs) AS n "
    "WHERE b.source_key IN ('c', 'd', 'e') ORDER BY b.id, n",
    # One that has nothing left to run, and is not known to have finished.
    "UPDATE batches SET state = 'active', finished_at = NULL WHERE source_key = 'e'",
    "UPDATE batches SET state = 'cancelled', cancelled_at = clock_timestamp(), is_clearing = true "
    "WHERE source_key = 'c'",
    "INSERT INTO requeues (batch_id, state, after_id) SELECT id, 'dead', 0 FROM batches WHERE source_key = 'd'",
    # One call a photo; those of the last minute are as many in any case.
    "INSERT INTO attempts (job_id, batch_id, lease_token, worker, account, price, sent_at, answered_at, answer_class, "
    "code, spend, latency_seconds, created_at) SELECT j.id, j.batch_id, gen_random_uuid(), 'w', 'test-account', 0.01, "
    "at, at, 'success', '200', 'paid', 1, at FROM (SELECT id, batch_id, now() - interval '1 day' + id * interval "
    "'1 ms' AS at FROM jobs WHERE state = 'succeeded' ORDER BY id) AS j",
    "INSERT INTO attempts (job_id, batch_id, lease_token, worker, account, price, sent_at, spend) SELECT id, batch_id, "
    "lease_token, 'w', 'test-account', 0.01, now(), 'maybe' FROM jobs WHERE state = 'running'",
    "INSERT INTO call_rates SELECT now() - n * interval '10 s', 5, 0, 0 FROM generate_series(1, 100) AS n",
    "INSERT INTO callbacks (batch_id, job_id, event, ended_at, created_at) SELECT batch_id, id, 'job.succeeded', at, "
    "at FROM (SELECT id, batch_id, now() - CASE WHEN id <= :old THEN interval '40 days' ELSE interval '1 day' END "
    "AS at FROM jobs WHERE state = 'succeeded' ORDER BY id) AS j",
    "INSERT INTO callbacks (batch_id, job_id, event) SELECT batch_id, id, 'job.succeeded' FROM jobs "
    "WHERE state = 'succeeded' ORDER BY id LIMIT 20",
    "INSERT INTO connections (slug, platform, shop, secrets, options) VALUES ('c', 'shopify', 's', '{x}', '{}')",
    "INSERT INTO deliveries (connection_id, key, topic, body, received_at) SELECT 1, n::text, 't', 'x', "
    "now() - CASE WHEN n <= :old THEN interval '40 days' ELSE interval '1 day' END "
    "FROM generate_series(1, :jobs) AS n",
    # What triggers counted was added up, but for the last second's.
    "WITH taken AS (DELETE FROM batch_count_changes RETURNING batch_id, what, n) INSERT INTO batch_counts "
    "SELECT batch_id, what, sum(n) FROM taken GROUP BY 1, 2",
    "INSERT INTO batch_count_changes (batch_id, what, n) SELECT (SELECT id FROM batches WHERE source_key = 'a2'), "
    "CASE WHEN n % 2 = 0 THEN 'calls' ELSE 'throttled' END, 1 FROM generate_series(1, :changes) AS n",
    "WITH taken AS (DELETE FROM ledger_changes RETURNING batch_id, day, code, calls, paid, cost) "
    "INSERT INTO ledger_days (batch_id, day, code, calls, paid, maybe_paid, reused, skipped, cost, maybe_cost) "
    "SELECT batch_id, day, code, sum(calls), sum(paid), 0, 0, 0, sum(cost), 0 FROM taken GROUP BY 1, 2, 3",
    "TRUNCATE ledger_changes",
    "INSERT INTO ledger_changes (batch_id, day, code, calls, paid, maybe_paid, reused, skipped, cost, maybe_cost) "
    "SELECT (SELECT id FROM batches WHERE source_key = 'a2'), CURRENT_DATE, '200', 1, 1, 0, 0, 0, 10000, 0 "
    "FROM generate_series(1, :changes) AS n",
)


@pytest.fixture(scope="module")
def filled(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[dict[int, Engine]]:
    """Yield a database with a few jobs and one with many; what is done in them is rolled back."""
    engines = {}
    with ExitStack() as stack:
        for jobs in (FEW, MANY):
            engines[jobs] = stack.enter_context(cloned(postgres, migrated_template, f"plans_{jobs}"))
            fill(engines[jobs], jobs)
        yield engines


@pytest.fixture(autouse=True)
def a_few_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", FORGOTTEN)
    monkeypatch.setattr(failures, "MOST_GROUPED", ROOM)
    for module in (cancels, requeues):
        monkeypatch.setattr(module, "AT_ONCE", ROOM)


def look(engine: Engine, duties: dict[str, Duty]) -> dict[str, list[Plan]]:
    """Return the plans of each duty, of its second run on a connection, which knows the catalogue by then."""
    found = {}
    for name, duty in duties.items():
        explained(engine, duty)
        found[name] = explained(engine, duty)
    return found


@pytest.mark.locks_anyhow
@pytest.mark.slow
@pytest.mark.parametrize("belief", BELIEFS.values(), ids=BELIEFS.keys())
@pytest.mark.parametrize("duties", DUTIES.values(), ids=DUTIES.keys())
def test_nothing_costs_more_because_much_waits(
    filled: dict[int, Engine], duties: dict[str, Duty], belief: Belief
) -> None:
    for engine in filled.values():
        # What was rolled back before is dead weight.
        vacuum(engine)
        believe(engine, belief)
    few, many = look(filled[FEW], duties), look(filled[MANY], duties)
    wrong = []
    for name, plans in many.items():
        assert plans, f"nothing was seen of what {name} does"
        for plan in plans:
            whole = sorted(plan.read_whole & LARGE)
            if whole or plan.most_sorted > MOST_SORTED or plan.most_passed_over > MOST_PASSED_OVER:
                wrong.append(
                    f"{name}: reads whole {whole}, sorts {plan.most_sorted}, passes over {plan.most_passed_over}: "
                    f"{plan.statement}"
                )
        pages, before = (sum(plan.buffers for plan in each) for each in (plans, few[name]))
        if pages > 1.5 * before + ALLOWANCE:
            wrong.append(f"{name}: {pages} pages instead of {before}: {[plan.buffers for plan in plans]}")
    assert wrong == [], "\n".join(wrong)
