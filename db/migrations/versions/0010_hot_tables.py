"""Hot tables keep room for their next versions and are vacuumed soon, with fewer indexes; triggers join nothing

The tables stay in use: what is set here takes no lock that readers or writers wait for, indexes are made and dropped
beside others' writes, and a trigger's function is replaced under whoever runs it. Processes of the version before find
all that they need.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from db.migrate import alter
from db.migrations.making import drop_index, make_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Room for the next version of a row on its own page, where it changes no index (a HOT update). And autovacuum by what
# has changed rather than by a fifth of the table, which of millions of rows would be days of work: until it comes, who
# picks the next job steps over the index entries of all that were picked before.
_OFTEN = {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_analyze_scale_factor": "0.02"}
_SMALL = {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "500"}
STORAGE = {
    # A row has five versions in its life, four of them while it runs; as a rule its neighbours run then, too.
    "jobs": {"fillfactor": "80", "autovacuum_vacuum_threshold": "5000", **_OFTEN},
    # A row is written before its call and grows to twice its size with the answer.
    "attempts": {"fillfactor": "70", "autovacuum_vacuum_threshold": "5000", **_OFTEN},
    # Limits and states are counted in the row itself.
    "batches": {**_SMALL},
    # All rows are added and deleted within a second; it is read whole, so it must stay small.
    "batch_count_changes": {
        "autovacuum_vacuum_scale_factor": "0",
        "autovacuum_vacuum_threshold": "2000",
        "autovacuum_vacuum_insert_threshold": "-1",
        "vacuum_truncate": "off",
    },
    # A few rows a batch, each written once a second while it runs.
    "batch_counts": {**_SMALL},
    # One row an account, or a process; some are written with every call.
    "circuits": {**_SMALL},
    "daily_calls": {**_SMALL},
    "processes": {**_SMALL},
}

_COUNT_JOBS = """
CREATE OR REPLACE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT batch_id, state, count(*) FROM new_rows GROUP BY batch_id, state;
    ELSE
{updated}
    END IF;
    RETURN NULL;
END $$
"""
# What was is taken off and what is now is added. To find which row became which would be a join of two lists without
# an index: of 10,000 rows at once that is a hundred million pairs, whenever the planner takes them for few.
COUNT_JOBS = _COUNT_JOBS.format(
    updated="""
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT r.batch_id, d.what, sum(d.n) FROM (
            SELECT batch_id, state, attempts, reused_from, -1 AS sign FROM old_rows
            UNION ALL
            SELECT batch_id, state, attempts, reused_from, 1 FROM new_rows
        ) AS r
        CROSS JOIN LATERAL (VALUES
            (r.state, CAST(r.sign AS bigint)),
            ('reused', CASE WHEN r.reused_from IS NULL THEN 0 ELSE r.sign END),
            ('retries', r.sign * greatest(r.attempts - 1, 0))
        ) AS d (what, n)
        GROUP BY r.batch_id, d.what HAVING sum(d.n) <> 0;"""
)
COUNT_JOBS_BEFORE = _COUNT_JOBS.format(
    updated="""
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT d.batch_id, d.what, sum(d.n) FROM old_rows AS o JOIN new_rows AS w ON w.id = o.id
        CROSS JOIN LATERAL (VALUES
            (o.batch_id, o.state, -1), (w.batch_id, w.state, 1),
            (w.batch_id, 'reused', (w.reused_from IS NOT NULL)::int - (o.reused_from IS NOT NULL)::int),
            (w.batch_id, 'retries', (greatest(w.attempts - 1, 0) - greatest(o.attempts - 1, 0))::int)
        ) AS d (batch_id, what, n)
        WHERE (o.batch_id, o.state, o.attempts, o.reused_from)
            IS DISTINCT FROM (w.batch_id, w.state, w.attempts, w.reused_from)
        GROUP BY d.batch_id, d.what HAVING sum(d.n) <> 0;"""
)

_COUNT_ATTEMPTS = """
CREATE OR REPLACE FUNCTION count_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT batch_id, 'calls', count(*) FROM new_rows WHERE sent_at IS NOT NULL GROUP BY batch_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT batch_id, 'calls', -count(*) FROM old_rows WHERE sent_at IS NOT NULL GROUP BY batch_id;
    ELSE
{updated}
    END IF;
    RETURN NULL;
END $$
"""
# Money is in millionths, by the day (UTC) on which the call was sent.
COUNT_ATTEMPTS = _COUNT_ATTEMPTS.format(
    updated="""
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT r.batch_id, d.what, sum(d.n) FROM (
            SELECT batch_id, sent_at, answered_at, answer_class, spend, price, -1 AS sign FROM old_rows
            UNION ALL
            SELECT batch_id, sent_at, answered_at, answer_class, spend, price, 1 FROM new_rows
        ) AS r
        CROSS JOIN LATERAL (VALUES
            ('calls', CASE WHEN r.sent_at IS NULL THEN CAST(0 AS bigint) ELSE r.sign END),
            ('throttled', CASE WHEN r.answer_class = 'throttled' THEN r.sign ELSE 0 END),
            ('maybe_billed', CASE WHEN r.spend = 'maybe' AND r.answered_at IS NOT NULL THEN r.sign ELSE 0 END),
            ('cost:' || CAST(r.sent_at AT TIME ZONE 'UTC' AS date), CASE WHEN r.answered_at IS NOT NULL
                AND r.spend <> 'none' AND r.price > 0 THEN r.sign * CAST(r.price * 1000000 AS bigint) ELSE 0 END)
        ) AS d (what, n)
        WHERE d.what IS NOT NULL GROUP BY r.batch_id, d.what HAVING sum(d.n) <> 0;"""
)
COUNT_ATTEMPTS_BEFORE = _COUNT_ATTEMPTS.format(
    updated="""
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT w.batch_id, d.what, sum(d.n) FROM old_rows AS o JOIN new_rows AS w ON w.id = o.id
        CROSS JOIN LATERAL (VALUES
            ('calls', (w.sent_at IS NOT NULL)::int - (o.sent_at IS NOT NULL)::int),
            ('throttled', (w.answer_class IS NOT DISTINCT FROM 'throttled')::int
                - (o.answer_class IS NOT DISTINCT FROM 'throttled')::int),
            ('maybe_billed', (w.spend = 'maybe' AND w.answered_at IS NOT NULL)::int
                - (o.spend = 'maybe' AND o.answered_at IS NOT NULL)::int)
        ) AS d (what, n)
        GROUP BY w.batch_id, d.what HAVING sum(d.n) <> 0;
        -- Money, in millionths, by the day (UTC) on which the call was sent.
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT batch_id, 'cost:' || day, sum(n) FROM (
            SELECT batch_id, CAST(sent_at AT TIME ZONE 'UTC' AS date) AS day, -CAST(price * 1000000 AS bigint) AS n
            FROM old_rows WHERE answered_at IS NOT NULL AND sent_at IS NOT NULL AND spend <> 'none' AND price > 0
            UNION ALL
            SELECT batch_id, CAST(sent_at AT TIME ZONE 'UTC' AS date), CAST(price * 1000000 AS bigint)
            FROM new_rows WHERE answered_at IS NOT NULL AND sent_at IS NOT NULL AND spend <> 'none' AND price > 0
        ) AS d GROUP BY batch_id, day HAVING sum(n) <> 0;"""
)

_TELL_OF_JOBS = """
CREATE OR REPLACE FUNCTION tell_of_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{only}
    INSERT INTO callbacks (batch_id, job_id, event)
    SELECT w.batch_id, w.id, 'job.' || w.state FROM old_rows AS o JOIN new_rows AS w ON w.id = o.id
    JOIN batches AS b ON b.id = w.batch_id
    WHERE b.callback_url IS NOT NULL AND (o.state, o.artifact_sha256) IS DISTINCT FROM (w.state, w.artifact_sha256)
    AND w.state IN ('succeeded', 'dead', 'held');
    RETURN NULL;
END $$
"""
# Most updates end no job, and most batches tell nobody.
TELL_OF_JOBS = _TELL_OF_JOBS.format(
    only="""
    IF NOT EXISTS (SELECT 1 FROM new_rows AS w WHERE w.state IN ('succeeded', 'dead', 'held')
        AND (SELECT b.callback_url FROM batches AS b WHERE b.id = w.batch_id) IS NOT NULL) THEN
        RETURN NULL;
    END IF;"""
)
TELL_OF_JOBS_BEFORE = _TELL_OF_JOBS.format(only="")

OPEN = sa.text("answered_at IS NULL")
HELD = sa.text("state = 'held'")
LIVE = sa.text("state IN ('queued', 'running')")
BRIN: dict[str, Any] = {"postgresql_using": "brin", "postgresql_with": {"pages_per_range": 32, "autosummarize": "on"}}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # What the dispatcher asks of batches once a second, however many there have been.
        make_index("ix_batches_paused", "batches", ["pause_reason", "id"], postgresql_where=sa.text("state = 'paused'"))
        make_index("ix_batches_clearing", "batches", ["cancelled_at"], postgresql_where=sa.text("is_clearing"))
        # In an order that no other index has, so that a statement can ask for this one.
        make_index("ix_jobs_in_flight", "jobs", ["state", "batch_id"], postgresql_where=LIVE)
        drop_index("ix_jobs_live", "jobs")
        # Answers are in no index any more, so that to write one down changes no index.
        make_index("ix_attempts_of_batch", "attempts", ["batch_id"])
        # What is newest is read every few seconds: a quarter of a megabyte of it, summed up as soon as it is full.
        make_index("ix_attempts_sent_at", "attempts", ["sent_at"], **BRIN)
        drop_index("ix_attempts_sent", "attempts")
        drop_index("ix_attempts_batch", "attempts")
        drop_index("ix_attempts_open", "attempts")
        # What is held is found by batch, as counts tell which have any.
        drop_index("ix_jobs_held", "jobs")
        for table, settings in STORAGE.items():
            told = ", ".join(f"{name} = {value}" for name, value in settings.items())
            alter(op.get_bind(), f"ALTER TABLE {table} SET ({told})")
        for function in (COUNT_JOBS, COUNT_ATTEMPTS, TELL_OF_JOBS):
            op.execute(function)


def downgrade() -> None:
    for function in (COUNT_JOBS_BEFORE, COUNT_ATTEMPTS_BEFORE, TELL_OF_JOBS_BEFORE):
        op.execute(function)
    for table, settings in STORAGE.items():
        op.execute(f"ALTER TABLE {table} RESET ({', '.join(settings)})")
    op.create_index("ix_jobs_held", "jobs", ["id"], postgresql_where=HELD)
    op.create_index("ix_attempts_open", "attempts", ["job_id"], postgresql_where=OPEN)
    op.create_index("ix_attempts_batch", "attempts", ["batch_id", "answer_class"])
    op.create_index("ix_attempts_sent", "attempts", ["sent_at"], postgresql_using="brin")
    op.create_index("ix_jobs_live", "jobs", ["batch_id"], postgresql_where=LIVE)
    op.drop_index("ix_jobs_in_flight", table_name="jobs")
    op.drop_index("ix_attempts_sent_at", table_name="attempts")
    op.drop_index("ix_attempts_of_batch", table_name="attempts")
    op.drop_index("ix_batches_clearing", table_name="batches")
    op.drop_index("ix_batches_paused", table_name="batches")
