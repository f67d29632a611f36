"""Calls to the sandbox cost nothing

What they would cost stays with each call, so that a limit can be tried out; the ledger and the counts of batches say
what is really spent. What was added up before is set right in a snapshot, beside others' writes.
"""

from alembic import op

from db.migrate import begin_beside

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_LEDGER = "batch_id, day, code, calls, paid, maybe_paid, reused, skipped, cost, maybe_cost"
_DAY = "CAST(sent_at AT TIME ZONE 'UTC' AS date)"
_MICROS = "CAST(coalesce({r}.price, 0) * 1000000 AS bigint)"
_COSTS = "{r}.account IS DISTINCT FROM 'sandbox'"


def keep_ledger_of_call(costs: str) -> str:
    """Return the function of the attempts' trigger, with what a call has to be to cost anything."""

    def line(r: str, sign: int) -> str:
        money = f"CAST({costs.format(r=r)} AS int) * {_MICROS.format(r=r)}"
        return f"""
            {r}.batch_id, CAST({r}.sent_at AT TIME ZONE 'UTC' AS date), coalesce({r}.code, ''), {sign},
            {sign} * CAST({r}.spend = 'paid' AS int), {sign} * CAST({r}.spend = 'maybe' AS int), 0, 0,
            {sign} * CAST({r}.spend <> 'none' AS int) * {money}, {sign} * CAST({r}.spend = 'maybe' AS int) * {money}
        """

    return f"""
CREATE OR REPLACE FUNCTION keep_ledger_of_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.sent_at IS NOT NULL AND OLD.answered_at IS NOT NULL THEN
        INSERT INTO ledger_changes ({_LEDGER}) VALUES ({line("OLD", -1)});
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.sent_at IS NOT NULL AND NEW.answered_at IS NOT NULL THEN
        INSERT INTO ledger_changes ({_LEDGER}) VALUES ({line("NEW", 1)});
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608


def count_attempts(costs: str) -> str:
    """Return the function that keeps the counts of batches, with what a call has to be to cost anything."""
    read = "batch_id, sent_at, answered_at, answer_class, spend, price, account"
    return f"""
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
        SELECT r.batch_id, d.what, sum(d.n) FROM (
            SELECT {read}, -1 AS sign FROM old_rows UNION ALL SELECT {read}, 1 FROM new_rows
        ) AS r
        CROSS JOIN LATERAL (VALUES
            ('calls', CASE WHEN r.sent_at IS NULL THEN CAST(0 AS bigint) ELSE r.sign END),
            ('throttled', CASE WHEN r.answer_class = 'throttled' THEN r.sign ELSE 0 END),
            ('maybe_billed', CASE WHEN r.spend = 'maybe' AND r.answered_at IS NOT NULL THEN r.sign ELSE 0 END),
            ('cost:' || CAST(r.sent_at AT TIME ZONE 'UTC' AS date), CASE WHEN r.answered_at IS NOT NULL
                AND r.spend <> 'none' AND {costs.format(r="r")} THEN r.sign * {_MICROS.format(r="r")} ELSE 0 END)
        ) AS d (what, n)
        WHERE d.what IS NOT NULL GROUP BY r.batch_id, d.what HAVING sum(d.n) <> 0;
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608


def past(costs: str) -> tuple[str, str]:
    """Return what brings both sums to what the calls say, by the difference."""
    billed = f"spend <> 'none' AND {costs.format(r='attempts')}"
    micros = _MICROS.format(r="attempts")
    calls = "FROM attempts WHERE sent_at IS NOT NULL AND answered_at IS NOT NULL"
    return (
        f"INSERT INTO ledger_changes ({_LEDGER}) "  # noqa: S608
        "SELECT batch_id, day, code, 0, 0, 0, 0, 0, sum(cost), sum(maybe_cost) FROM ("
        f"SELECT batch_id, {_DAY} AS day, coalesce(code, '') AS code, "
        f"CASE WHEN {billed} THEN {micros} ELSE 0 END AS cost, "
        f"CASE WHEN {billed} AND spend = 'maybe' THEN {micros} ELSE 0 END AS maybe_cost {calls} "
        "UNION ALL SELECT batch_id, day, code, -cost, -maybe_cost FROM ledger_days "
        "UNION ALL SELECT batch_id, day, code, -cost, -maybe_cost FROM ledger_changes) AS told "
        "GROUP BY 1, 2, 3 HAVING sum(cost) <> 0 OR sum(maybe_cost) <> 0",
        "INSERT INTO batch_count_changes (batch_id, what, n) "  # noqa: S608
        "SELECT batch_id, what, sum(n) FROM ("
        f"SELECT batch_id, 'cost:' || {_DAY} AS what, {micros} AS n {calls} AND {billed} "
        "UNION ALL SELECT batch_id, what, -n FROM batch_counts WHERE starts_with(what, 'cost:') "
        "UNION ALL SELECT batch_id, what, -n FROM batch_count_changes WHERE starts_with(what, 'cost:')) AS told "
        "GROUP BY 1, 2 HAVING sum(n) <> 0",
    )


def _change(costs: str) -> None:
    with op.get_context().autocommit_block():
        changes = (keep_ledger_of_call(costs), count_attempts(costs))
        begin_beside(op.get_bind(), locked="attempts", changes=changes, past=past(costs))


def upgrade() -> None:
    _change(_COSTS)


def downgrade() -> None:
    _change("true")
