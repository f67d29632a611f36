"""Counts that follow jobs, and connections to shops with what they deliver"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.migrate import begin_beside
from db.migrations.making import add_columns, drop_index, make_index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COUNT_JOBS = """
CREATE OR REPLACE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT batch_id, state, count(*) FROM new_rows GROUP BY batch_id, state;
    ELSE
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT d.batch_id, d.what, sum(d.n) FROM old_rows AS o JOIN new_rows AS w ON w.id = o.id
        CROSS JOIN LATERAL (VALUES
            (o.batch_id, o.state, -1), (w.batch_id, w.state, 1),
            (w.batch_id, 'reused', (w.reused_from IS NOT NULL)::int - (o.reused_from IS NOT NULL)::int),
            (w.batch_id, 'retries', (greatest(w.attempts - 1, 0) - greatest(o.attempts - 1, 0))::int)
        ) AS d (batch_id, what, n)
        WHERE (o.batch_id, o.state, o.attempts, o.reused_from)
            IS DISTINCT FROM (w.batch_id, w.state, w.attempts, w.reused_from)
        GROUP BY d.batch_id, d.what HAVING sum(d.n) <> 0;
    END IF;
    RETURN NULL;
END $$
"""

TELL_OF_JOBS = """
CREATE OR REPLACE FUNCTION tell_of_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO callbacks (batch_id, job_id, event)
    SELECT w.batch_id, w.id, 'job.' || w.state FROM old_rows AS o JOIN new_rows AS w ON w.id = o.id
    JOIN batches AS b ON b.id = w.batch_id
    WHERE b.callback_url IS NOT NULL AND o.state <> w.state AND w.state IN ('succeeded', 'dead', 'held');
    RETURN NULL;
END $$
"""

TELL_OF_BATCHES = """
CREATE OR REPLACE FUNCTION tell_of_batches() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO callbacks (batch_id, event)
    SELECT w.id, 'batch.finished' FROM old_rows AS o JOIN new_rows AS w ON w.id = o.id
    WHERE w.callback_url IS NOT NULL AND o.state <> w.state AND w.state = 'finished';
    RETURN NULL;
END $$
"""

COUNT_ATTEMPTS = """
CREATE OR REPLACE FUNCTION count_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT batch_id, 'calls', count(*) FROM new_rows WHERE sent_at IS NOT NULL GROUP BY batch_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT batch_id, 'calls', -count(*) FROM old_rows WHERE sent_at IS NOT NULL GROUP BY batch_id;
    ELSE
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
    END IF;
    RETURN NULL;
END $$
"""

_BOTH = "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"
TRIGGERS = tuple(
    f"CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {table} {rows} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    for name, event, table, rows, function in (
        ("tell_updated", "UPDATE", "jobs", _BOTH, "tell_of_jobs"),
        ("tell_updated", "UPDATE", "batches", _BOTH, "tell_of_batches"),
        ("count_inserted", "INSERT", "jobs", "REFERENCING NEW TABLE AS new_rows", "count_jobs"),
        ("count_updated", "UPDATE", "jobs", _BOTH, "count_jobs"),
        ("count_inserted", "INSERT", "attempts", "REFERENCING NEW TABLE AS new_rows", "count_attempts"),
        ("count_updated", "UPDATE", "attempts", _BOTH, "count_attempts"),
        ("count_deleted", "DELETE", "attempts", "REFERENCING OLD TABLE AS old_rows", "count_attempts"),
    )
)

FORGET = ("DELETE FROM batch_count_changes", "DELETE FROM batch_counts")
"""What a run that was stopped has counted."""

# As changes, which the dispatcher adds up: what it adds up meanwhile may have made the very same count.
COUNT_WHAT_IS_THERE = """
INSERT INTO batch_count_changes (batch_id, what, n)
SELECT batch_id, state, count(*) FROM jobs GROUP BY 1, 2
UNION ALL SELECT batch_id, 'reused', count(*) FROM jobs WHERE reused_from IS NOT NULL GROUP BY 1
UNION ALL SELECT batch_id, 'retries', sum(attempts - 1) FROM jobs WHERE attempts > 1 GROUP BY 1
UNION ALL SELECT batch_id, 'calls', count(*) FROM attempts WHERE sent_at IS NOT NULL GROUP BY 1
UNION ALL SELECT batch_id, 'throttled', count(*) FROM attempts WHERE answer_class = 'throttled' GROUP BY 1
UNION ALL SELECT batch_id, 'maybe_billed', count(*) FROM attempts
    WHERE spend = 'maybe' AND answered_at IS NOT NULL GROUP BY 1
"""


def upgrade() -> None:
    op.create_table(
        "batch_counts",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "what"),
        if_not_exists=True,
    )
    op.create_table(
        "batch_count_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    # Rows live for a second, so what is dead has to go soon.
    op.execute(
        "ALTER TABLE batch_count_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)"
    )
    op.create_table(
        "callbacks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_callbacks_due",
        "callbacks",
        ["available_at", "id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
        if_not_exists=True,
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("shop", sa.Text(), nullable=False),
        sa.Column("secrets", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
        if_not_exists=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "key"),
        if_not_exists=True,
    )
    op.create_table(
        "lookups",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"]),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_lookups_due",
        "lookups",
        ["available_at", "id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
        if_not_exists=True,
    )
    op.create_table(
        "seen_photos",
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"]),
        sa.PrimaryKeyConstraint("connection_id", "key"),
        if_not_exists=True,
    )

    op.create_table(
        "swept_objects",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("swept_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("uri"),
        if_not_exists=True,
    )
    op.create_table(
        "uploads",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
        if_not_exists=True,
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        if_not_exists=True,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("token_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"]),
        sa.PrimaryKeyConstraint("token_id", "key"),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        add_columns("batches", "callback_url text", "callback_secret text")
        # Under another name first, so that its pages are found by an index all the time.
        make_index("ix_jobs_batch_state_id", "jobs", ["batch_id", "state", "id"])
        drop_index("ix_jobs_batch_state", "jobs")
        op.execute("ALTER INDEX ix_jobs_batch_state_id RENAME TO ix_jobs_batch_state")
        make_index("ix_jobs_code", "jobs", ["batch_id", "code", "id"], postgresql_where=sa.text("code <> '200'"))
        make_index("ix_jobs_sku", "jobs", ["batch_id", "sku", "id"], postgresql_where=sa.text("sku IS NOT NULL"))
        make_index(
            "ix_jobs_artifact",
            "jobs",
            ["artifact_sha256"],
            postgresql_using="hash",
            postgresql_where=sa.text("artifact_sha256 IS NOT NULL"),
        )
        begin_beside(
            op.get_bind(),
            locked="batches, jobs, attempts",
            changes=(TELL_OF_JOBS, TELL_OF_BATCHES, COUNT_JOBS, COUNT_ATTEMPTS, *FORGET, *TRIGGERS),
            past=(COUNT_WHAT_IS_THERE,),
        )


def downgrade() -> None:
    op.drop_index("ix_jobs_sku", table_name="jobs", postgresql_where=sa.text("sku IS NOT NULL"))
    op.drop_index("ix_jobs_code", table_name="jobs", postgresql_where=sa.text("code <> '200'"))
    op.drop_index("ix_jobs_batch_state", table_name="jobs")
    op.create_index("ix_jobs_batch_state", "jobs", ["batch_id", "state", "code"], unique=False)
    op.drop_index(
        "ix_jobs_artifact",
        table_name="jobs",
        postgresql_using="hash",
        postgresql_where=sa.text("artifact_sha256 IS NOT NULL"),
    )
    op.drop_table("idempotency_keys")
    op.drop_table("tokens")
    op.drop_table("uploads")
    op.drop_table("swept_objects")
    op.drop_table("seen_photos")
    op.drop_index("ix_lookups_due", table_name="lookups", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("lookups")
    op.drop_table("deliveries")
    op.drop_table("connections")
    for table in ("jobs", "attempts", "batches"):
        for trigger in ("count_inserted", "count_updated", "count_deleted", "tell_updated"):
            op.execute(f"DROP TRIGGER IF EXISTS {trigger} ON {table}")
    op.execute("DROP FUNCTION count_jobs()")
    op.execute("DROP FUNCTION count_attempts()")
    op.execute("DROP FUNCTION tell_of_jobs()")
    op.execute("DROP FUNCTION tell_of_batches()")
    op.drop_index("ix_callbacks_due", table_name="callbacks", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("callbacks")
    op.drop_column("batches", "callback_secret")
    op.drop_column("batches", "callback_url")
    op.drop_table("batch_count_changes")
    op.drop_table("batch_counts")
