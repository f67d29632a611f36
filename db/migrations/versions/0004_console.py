"""What the console needs: people, what they did, who is alive, how fast it went, and photos that are done again"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.migrate import alter, begin_beside
from db.migrations.making import add_columns, make_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

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
        -- Money, in millionths, by the day (UTC) on which the call was sent.
        INSERT INTO batch_count_changes (batch_id, what, n)
        SELECT batch_id, 'cost:' || day, sum(n) FROM (
            SELECT batch_id, CAST(sent_at AT TIME ZONE 'UTC' AS date) AS day, -CAST(price * 1000000 AS bigint) AS n
            FROM old_rows WHERE answered_at IS NOT NULL AND sent_at IS NOT NULL AND spend <> 'none' AND price > 0
            UNION ALL
            SELECT batch_id, CAST(sent_at AT TIME ZONE 'UTC' AS date), CAST(price * 1000000 AS bigint)
            FROM new_rows WHERE answered_at IS NOT NULL AND sent_at IS NOT NULL AND spend <> 'none' AND price > 0
        ) AS d GROUP BY batch_id, day HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END $$
"""

FORM_KEY = sa.text("gen_random_uuid()")
_END = "    END IF;\n    RETURN NULL;\nEND $$\n"
COUNT_ATTEMPTS_BEFORE = COUNT_ATTEMPTS[: COUNT_ATTEMPTS.index("        -- Money")] + _END

FORGET = (
    "DELETE FROM batch_count_changes WHERE starts_with(what, 'cost:')",
    "DELETE FROM batch_counts WHERE starts_with(what, 'cost:')",
)

COUNT_COSTS = """
INSERT INTO batch_count_changes (batch_id, what, n)
SELECT batch_id, 'cost:' || CAST(sent_at AT TIME ZONE 'UTC' AS date), sum(CAST(price * 1000000 AS bigint))
FROM attempts WHERE answered_at IS NOT NULL AND sent_at IS NOT NULL AND spend <> 'none' AND price > 0 GROUP BY 1, 2
"""

# An output that was made again takes the place of the one before, wherever that is exported, served or told of.
TAKE_REDONE = """
CREATE OR REPLACE FUNCTION take_redone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE jobs AS j SET state = 'succeeded', code = '200', message = NULL, artifact_sha256 = NEW.artifact_sha256,
        finished_at = now()
    FROM batches AS b WHERE j.id = NEW.redo_of AND b.id = j.batch_id AND j.state IN ('succeeded', 'held', 'dead');
    RETURN NULL;
END $$
"""

REDONE = (
    "CREATE OR REPLACE TRIGGER take_redone AFTER UPDATE OF state ON jobs FOR EACH ROW "
    "WHEN (NEW.redo_of IS NOT NULL AND NEW.state = 'succeeded' AND OLD.state <> 'succeeded') "
    "EXECUTE FUNCTION take_redone()"
)


def _moment(name: str, *, default: bool = True, nullable: bool = False) -> sa.Column[datetime]:
    when = sa.text("now()") if default else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=when, nullable=nullable)


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _whose() -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    column = sa.Column("user_id", sa.BigInteger(), nullable=False)
    return column, sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "users",
        _number(),
        _text("name"),
        _text("role"),
        _text("password_hash", nullable=True),
        sa.Column("form_key", sa.Text(), server_default=FORM_KEY, nullable=False),
        _moment("created_at"),
        _moment("closed_at", default=False, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "user_sessions",
        _text("hash"),
        *_whose(),
        _moment("created_at"),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("hash"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_user_sessions_user_id"), "user_sessions", ["user_id"], if_not_exists=True)
    op.create_table(
        "sign_in_links",
        _text("hash"),
        *_whose(),
        _moment("expires_at", default=False),
        sa.PrimaryKeyConstraint("hash"),
        if_not_exists=True,
    )
    op.create_table(
        "audit",
        _number(),
        _moment("at"),
        _text("actor"),
        _text("action"),
        _text("target"),
        _text("detail"),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_audit_actor", "audit", ["actor", "id"], if_not_exists=True)
    op.create_table(
        "processes",
        _text("name"),
        _text("role"),
        sa.Column("is_leader", sa.Boolean(), server_default="false", nullable=False),
        _moment("started_at"),
        _moment("seen_at"),
        sa.PrimaryKeyConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "call_rates",
        _moment("at", default=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("calls", "throttled", "failed")),
        sa.PrimaryKeyConstraint("at"),
        if_not_exists=True,
    )
    op.create_table(
        "previews",
        _text("sha256"),
        sa.Column("side", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("sha256", "side"),
        if_not_exists=True,
    )
    op.create_table(
        "drafts",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        *_whose(),
        _text("name"),
        _text("kind"),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_table(
        "draft_files",
        _number(),
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        _text("name"),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.id"], ondelete="CASCADE"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_draft_files_draft_id"), "draft_files", ["draft_id"], if_not_exists=True)
    with op.get_context().autocommit_block():
        add_columns("jobs", "redo_of bigint", "input_uri text")
        make_index("ix_jobs_held", "jobs", ["id"], postgresql_where=sa.text("state = 'held'"))
        make_index("ix_jobs_redo", "jobs", ["redo_of", "id"], postgresql_where=sa.text("redo_of IS NOT NULL"))
        make_index("ix_batch_counts_what", "batch_counts", ["what"])
        # A call that is settled by the old function after the sum was made would be in neither.
        bind = op.get_bind()
        begin_beside(bind, locked="attempts", changes=(*FORGET, COUNT_ATTEMPTS), past=(COUNT_COSTS,))
        op.execute(TAKE_REDONE)
        alter(bind, REDONE)


def downgrade() -> None:
    for table in (
        "draft_files",
        "drafts",
        "previews",
        "call_rates",
        "processes",
        "audit",
        "sign_in_links",
        "user_sessions",
        "users",
    ):
        op.drop_table(table)
    op.execute("DROP TRIGGER take_redone ON jobs")
    op.execute("DROP FUNCTION take_redone()")
    op.execute(COUNT_ATTEMPTS_BEFORE)
    op.execute("DELETE FROM batch_count_changes WHERE what LIKE 'cost:%'")
    op.execute("DELETE FROM batch_counts WHERE what LIKE 'cost:%'")
    op.drop_index("ix_batch_counts_what", table_name="batch_counts")
    op.drop_index("ix_jobs_redo", table_name="jobs", postgresql_where=sa.text("redo_of IS NOT NULL"))
    op.drop_index("ix_jobs_held", table_name="jobs", postgresql_where=sa.text("state = 'held'"))
    op.drop_column("jobs", "input_uri")
    op.drop_column("jobs", "redo_of")
