"""A ledger that triggers keep, so that costs are told without reading calls; what shops answered

What was called and saved before is summed up under a lock that is waited for a second at most; run it again when that
was too short.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_CALLS = """
    SELECT r.batch_id, CAST(r.sent_at AT TIME ZONE 'UTC' AS date), coalesce(r.code, ''), sum(r.sign),
        sum(CASE WHEN r.spend = 'paid' THEN r.sign ELSE 0 END), sum(CASE WHEN r.spend = 'maybe' THEN r.sign ELSE 0 END),
        0, 0,
        sum(CASE WHEN r.spend <> 'none' THEN r.sign * CAST(coalesce(r.price, 0) * 1000000 AS bigint) ELSE 0 END),
        sum(CASE WHEN r.spend = 'maybe' THEN r.sign * CAST(coalesce(r.price, 0) * 1000000 AS bigint) ELSE 0 END)
    FROM ({rows}) AS r WHERE r.sent_at IS NOT NULL AND r.answered_at IS NOT NULL GROUP BY 1, 2, 3
"""
_PHOTOS = """
    SELECT r.batch_id, CAST(r.finished_at AT TIME ZONE 'UTC' AS date), '', 0, 0, 0,
        sum(CASE WHEN r.reused_from IS NOT NULL THEN r.sign ELSE 0 END),
        sum(CASE WHEN r.reused_from IS NULL THEN r.sign ELSE 0 END), 0, 0
    FROM ({rows}) AS r WHERE r.state = 'succeeded' AND r.finished_at IS NOT NULL
        AND (r.reused_from IS NOT NULL OR (r.is_bare AND r.code = 'nothing_to_remove')) GROUP BY 1, 2
"""
_OF_CALLS = "SELECT batch_id, sent_at, answered_at, code, spend, price, CAST({sign} AS bigint) AS sign FROM {rows}"
_OF_PHOTOS = (
    "SELECT batch_id, state, finished_at, reused_from, is_bare, code, CAST({sign} AS bigint) AS sign FROM {rows}"
)
_COLUMNS = "batch_id, day, code, calls, paid, maybe_paid, reused, skipped, cost, maybe_cost"
# A row that only moved says nothing; what was is taken off, and what is now added.
_MOVED = (
    " HAVING sum(r.sign) <> 0 "
    "OR sum(CASE r.spend WHEN 'paid' THEN r.sign WHEN 'maybe' THEN 1000000 * r.sign ELSE 0 END) <> 0"
)
_ENDED = " HAVING sum(r.sign) <> 0 OR sum(CASE WHEN r.reused_from IS NULL THEN r.sign ELSE 0 END) <> 0"


def _both(each: str) -> str:
    return f"{each.format(sign=-1, rows='old_rows')} UNION ALL {each.format(sign=1, rows='new_rows')}"


KEEP_CALLS = f"""
CREATE OR REPLACE FUNCTION keep_ledger_of_calls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ledger_changes ({_COLUMNS}) {_CALLS.format(rows=_OF_CALLS.format(sign=1, rows="new_rows"))};
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ledger_changes ({_COLUMNS}) {_CALLS.format(rows=_OF_CALLS.format(sign=-1, rows="old_rows"))};
    ELSE
        INSERT INTO ledger_changes ({_COLUMNS}) {_CALLS.format(rows=_both(_OF_CALLS))} {_MOVED};
    END IF;
    RETURN NULL;
END $$
"""
KEEP_PHOTOS = f"""
CREATE OR REPLACE FUNCTION keep_ledger_of_photos() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_changes ({_COLUMNS}) {_PHOTOS.format(rows=_both(_OF_PHOTOS))} {_ENDED};
    RETURN NULL;
END $$
"""
TRIGGERS = (
    "CREATE TRIGGER keep_inserted AFTER INSERT ON attempts REFERENCING NEW TABLE AS new_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION keep_ledger_of_calls()",
    "CREATE TRIGGER keep_updated AFTER UPDATE ON attempts REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION keep_ledger_of_calls()",
    "CREATE TRIGGER keep_deleted AFTER DELETE ON attempts REFERENCING OLD TABLE AS old_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION keep_ledger_of_calls()",
    "CREATE TRIGGER keep_updated AFTER UPDATE ON jobs REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
    "FOR EACH STATEMENT EXECUTE FUNCTION keep_ledger_of_photos()",
)
PASSING = {
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "2000",
    "autovacuum_vacuum_insert_threshold": "-1",
    "vacuum_truncate": "off",
}
OF_FEW = {"fillfactor": "50", "autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "500"}


def _columns() -> list[sa.Column[int]]:
    names = ("calls", "paid", "maybe_paid", "reused", "skipped", "cost", "maybe_cost")
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.add_column("callbacks", sa.Column("answered_at", sa.DateTime(timezone=True)))
    op.add_column("callbacks", sa.Column("answer", sa.Text()))
    op.add_column("connections", sa.Column("refused_at", sa.DateTime(timezone=True)))
    op.add_column("connections", sa.Column("refused_why", sa.Text()))
    op.create_table(
        "ledger_days",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("batch_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("code", sa.Text(), primary_key=True),
        *_columns(),
    )
    op.create_index("ix_ledger_days_batch", "ledger_days", ["batch_id"])
    op.create_table(
        "ledger_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        *_columns(),
    )
    for table, settings in (("ledger_days", OF_FEW), ("ledger_changes", PASSING)):
        told = ", ".join(f"{name} = {value}" for name, value in settings.items())
        op.execute(f"ALTER TABLE {table} SET ({told})")
    # Whoever ends a photo locks its job first. What is settled from here on is counted by the triggers.
    op.execute("LOCK TABLE jobs, attempts IN SHARE ROW EXCLUSIVE MODE")
    op.execute("SET LOCAL lock_timeout = 0")
    for function in (KEEP_CALLS, KEEP_PHOTOS, *TRIGGERS):
        op.execute(function)
    op.execute(
        f"INSERT INTO ledger_changes ({_COLUMNS}) {_CALLS.format(rows=_OF_CALLS.format(sign=1, rows='attempts'))}"
    )
    op.execute(f"INSERT INTO ledger_changes ({_COLUMNS}) {_PHOTOS.format(rows=_OF_PHOTOS.format(sign=1, rows='jobs'))}")


def downgrade() -> None:
    for name, table in (
        ("keep_inserted", "attempts"),
        ("keep_updated", "attempts"),
        ("keep_deleted", "attempts"),
        ("keep_updated", "jobs"),
    ):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute("DROP FUNCTION keep_ledger_of_calls()")
    op.execute("DROP FUNCTION keep_ledger_of_photos()")
    op.drop_table("ledger_changes")
    op.drop_table("ledger_days")
    for column in ("refused_why", "refused_at"):
        op.drop_column("connections", column)
    for column in ("answer", "answered_at"):
        op.drop_column("callbacks", column)
