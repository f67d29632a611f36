"""A ledger that triggers keep, so that costs are told without reading calls; what shops answered

What was called and saved before is summed up as it stood when the triggers came, beside others' writes.
"""

import sqlalchemy as sa
from alembic import op

from db.migrate import begin_beside
from db.migrations.making import add_columns, make_index

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_COLUMNS = "batch_id, day, code, calls, paid, maybe_paid, reused, skipped, cost, maybe_cost"
_CALL = "{r}.sent_at IS NOT NULL AND {r}.answered_at IS NOT NULL"
_PHOTO = (
    "{r}.state = 'succeeded' AND {r}.finished_at IS NOT NULL "
    "AND ({r}.reused_from IS NOT NULL OR ({r}.is_bare AND {r}.code = 'nothing_to_remove'))"
)
# A call, or a photo that needed none, as a line; the sign takes one off that is no longer so.
_OF_CALL = """
    {r}.batch_id, CAST({r}.sent_at AT TIME ZONE 'UTC' AS date), coalesce({r}.code, ''), {sign},
    {sign} * CAST({r}.spend = 'paid' AS int), {sign} * CAST({r}.spend = 'maybe' AS int), 0, 0,
    {sign} * CAST({r}.spend <> 'none' AS int) * CAST(coalesce({r}.price, 0) * 1000000 AS bigint),
    {sign} * CAST({r}.spend = 'maybe' AS int) * CAST(coalesce({r}.price, 0) * 1000000 AS bigint)
"""
_OF_PHOTO = """
    {r}.batch_id, CAST({r}.finished_at AT TIME ZONE 'UTC' AS date), '', 0, 0, 0,
    {sign} * CAST({r}.reused_from IS NOT NULL AS int), {sign} * CAST({r}.reused_from IS NULL AS int), 0, 0
"""


def _kept(name: str, counts: str, line: str) -> str:
    """Return the function of a row's trigger: what was is taken off, and what is now added."""
    old, new = (line.format(r=row, sign=sign) for row, sign in (("OLD", -1), ("NEW", 1)))
    return f"""
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND {counts.format(r="OLD")} THEN
        INSERT INTO ledger_changes ({_COLUMNS}) VALUES ({old});
    END IF;
    IF TG_OP <> 'DELETE' AND {counts.format(r="NEW")} THEN
        INSERT INTO ledger_changes ({_COLUMNS}) VALUES ({new});
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608


def _trigger(event: str, table: str, when: str, function: str) -> str:
    # For each row: all but the few that count are passed over without a call of the function.
    name = f"keep_{event.lower()}"
    return (
        f"CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW WHEN ({when}) "
        f"EXECUTE FUNCTION {function}()"
    )


_CALLS_DIFFER = (
    "(OLD.sent_at, OLD.answered_at, OLD.code, OLD.spend, OLD.price) IS DISTINCT FROM "
    "(NEW.sent_at, NEW.answered_at, NEW.code, NEW.spend, NEW.price)"
)
_PHOTOS_DIFFER = (
    f"(({_PHOTO.format(r='OLD')}) OR ({_PHOTO.format(r='NEW')})) AND "
    "(OLD.state, OLD.code, OLD.finished_at, OLD.reused_from) IS DISTINCT FROM "
    "(NEW.state, NEW.code, NEW.finished_at, NEW.reused_from)"
)
KEEPING = (
    _kept("keep_ledger_of_call", _CALL, _OF_CALL),
    _kept("keep_ledger_of_photo", _PHOTO, _OF_PHOTO),
    _trigger("INSERT", "attempts", _CALL.format(r="NEW"), "keep_ledger_of_call"),
    _trigger("UPDATE", "attempts", _CALLS_DIFFER, "keep_ledger_of_call"),
    _trigger("DELETE", "attempts", _CALL.format(r="OLD"), "keep_ledger_of_call"),
    _trigger("UPDATE", "jobs", _PHOTOS_DIFFER, "keep_ledger_of_photo"),
)
FORGET = ("DELETE FROM ledger_changes", "DELETE FROM ledger_days")
"""What a run that was stopped has counted."""
_SUMS = ", ".join(f"sum({name})" for name in _COLUMNS.split(", ")[3:])
PAST = tuple(
    f"INSERT INTO ledger_changes ({_COLUMNS}) SELECT batch_id, day, code, {_SUMS} FROM "  # noqa: S608
    f"(SELECT {line.format(r='r', sign=1)} FROM {table} AS r WHERE {counts.format(r='r')}) AS past ({_COLUMNS}) "
    "GROUP BY batch_id, day, code"
    for table, counts, line in (("attempts", _CALL, _OF_CALL), ("jobs", _PHOTO, _OF_PHOTO))
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
    with op.get_context().autocommit_block():
        bind = op.get_bind()
        add_columns("callbacks", "answered_at timestamptz", "answer text")
        add_columns("connections", "refused_at timestamptz", "refused_why text")
        _make_tables()
        begin_beside(bind, locked="jobs, attempts", changes=(*FORGET, *KEEPING), past=PAST)


def _make_tables() -> None:
    op.create_table(
        "ledger_days",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("batch_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("code", sa.Text(), primary_key=True),
        *_columns(),
        if_not_exists=True,
    )
    op.create_index("ix_ledger_days_batch", "ledger_days", ["batch_id"], if_not_exists=True)
    op.create_table(
        "ledger_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        *_columns(),
        if_not_exists=True,
    )
    make_index(
        "ix_writebacks_ended",
        "writebacks",
        ["connection_id", "changed_at"],
        postgresql_where=sa.text("state IN ('written', 'skipped', 'failed', 'restored')"),
    )
    for table, settings in (("ledger_days", OF_FEW), ("ledger_changes", PASSING)):
        told = ", ".join(f"{name} = {value}" for name, value in settings.items())
        op.execute(f"ALTER TABLE {table} SET ({told})")


def downgrade() -> None:
    for name, table in (
        ("keep_insert", "attempts"),
        ("keep_update", "attempts"),
        ("keep_delete", "attempts"),
        ("keep_update", "jobs"),
    ):
        op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute("DROP FUNCTION keep_ledger_of_call()")
    op.execute("DROP FUNCTION keep_ledger_of_photo()")
    op.drop_index("ix_writebacks_ended", table_name="writebacks")
    op.drop_table("ledger_changes")
    op.drop_table("ledger_days")
    for column in ("refused_why", "refused_at"):
        op.drop_column("connections", column)
    for column in ("answer", "answered_at"):
        op.drop_column("callbacks", column)
