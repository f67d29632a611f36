"""What a state asks of its row is held by the database

The tables stay in use: a constraint is added unchecked, which takes an exclusive lock for a moment that nobody waits
for longer than `LOCK_MS`, and then checked beside others' writes. Rows of older versions that break one are mended
before, a stretch of ids at a time, and once more after, as processes of those versions may still have written some.
"""

from collections.abc import Iterator

from alembic import op
from sqlalchemy import Connection, text

from db.migrate import alter

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

IDS_AT_ONCE = 5_000
"""Whoever wants one of these rows waits while the broken ones among them are mended."""

CHECKS = {
    "batches": {
        "ck_batches_state": "state IN ('active', 'paused', 'cancelled', 'finished')",
        "ck_batches_lane": "lane IN ('interactive', 'bulk')",
        "ck_batches_canary": "canary_state IN ('running', 'passed', 'failed')",
        "ck_batches_paused": "(state = 'paused') = (pause_reason IS NOT NULL)",
        "ck_batches_finished": "(state IN ('finished', 'cancelled')) = (finished_at IS NOT NULL)",
    },
    "jobs": {
        "ck_jobs_state": "state IN ('pending', 'queued', 'running', 'succeeded', 'dead', 'held', 'cancelled')",
        "ck_jobs_queued": "(state = 'queued') = (queued_at IS NOT NULL)",
        "ck_jobs_lease": (
            "(state = 'running') = (lease_token IS NOT NULL) AND (state = 'running') = (lease_expires_at IS NOT NULL)"
        ),
        "ck_jobs_finished": ("(state IN ('succeeded', 'dead', 'held', 'cancelled')) = (finished_at IS NOT NULL)"),
        "ck_jobs_artifact": (
            "CASE WHEN artifact_sha256 IS NULL THEN state <> 'succeeded' "
            "ELSE state IN ('succeeded', 'held', 'cancelled') END"
        ),
        "ck_jobs_code": "code IS NOT NULL OR state NOT IN ('succeeded', 'dead', 'held')",
    },
    "attempts": {
        "ck_attempts_answer_class": (
            "answer_class IN ('success', 'throttled', 'source', 'permanent', 'provider_fault', 'maybe_billed', "
            "'account', 'unknown')"
        ),
        "ck_attempts_spend": "spend IN ('none', 'paid', 'maybe')",
        "ck_attempts_answered": "(answered_at IS NULL) = (answer_class IS NULL)",
        "ck_attempts_open": "answered_at IS NOT NULL OR (sent_at IS NOT NULL AND spend = 'maybe')",
    },
}

REPAIRS = {
    "batches": (
        "pause_reason = CASE WHEN state = 'paused' THEN coalesce(pause_reason, 'hand') END, "
        "finished_at = CASE WHEN state IN ('finished', 'cancelled') THEN coalesce(finished_at, now()) END"
    ),
    # What counted as done and has no output can be requeued; a job without a lease, or without its end, is rescued.
    "jobs": (
        "state = CASE WHEN state = 'succeeded' AND artifact_sha256 IS NULL THEN 'dead' ELSE state END, "
        "code = CASE WHEN state = 'succeeded' AND artifact_sha256 IS NULL THEN 'output_missing' "
        "WHEN state = 'succeeded' THEN coalesce(code, '200') "
        "WHEN state IN ('dead', 'held') THEN coalesce(code, 'unknown') ELSE code END, "
        "message = CASE WHEN state = 'succeeded' AND artifact_sha256 IS NULL "
        "THEN 'It counted as done, but no output is kept. Requeue it to have one made.' ELSE message END, "
        "queued_at = CASE WHEN state = 'queued' THEN coalesce(queued_at, now()) END, "
        "lease_expires_at = CASE WHEN state = 'running' AND lease_token IS NULL THEN now() "
        "WHEN state = 'running' THEN coalesce(lease_expires_at, now()) END, "
        "lease_token = CASE WHEN state = 'running' THEN coalesce(lease_token, gen_random_uuid()) END, "
        "finished_at = CASE WHEN state IN ('succeeded', 'dead', 'held', 'cancelled') "
        "THEN coalesce(finished_at, started_at, created_at) END, "
        "artifact_sha256 = CASE WHEN state IN ('succeeded', 'held', 'cancelled') THEN artifact_sha256 END"
    ),
    # One without an answer and without a call is none that anybody waits for.
    "attempts": (
        "answer_class = CASE WHEN answered_at IS NULL AND sent_at IS NOT NULL AND spend = 'maybe' THEN NULL "
        "ELSE coalesce(answer_class, 'unknown') END, "
        "answered_at = CASE WHEN answered_at IS NULL AND sent_at IS NOT NULL AND spend = 'maybe' THEN NULL "
        "ELSE coalesce(answered_at, sent_at, created_at) END"
    ),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        for table, checks in CHECKS.items():
            _repair(connection, table)
            _add(connection, table, checks)
            _repair(connection, table)
            names = ", ".join(f"VALIDATE CONSTRAINT {name}" for name in checks)
            alter(connection, f"ALTER TABLE {table} {names}")


def downgrade() -> None:
    for table, checks in CHECKS.items():
        names = ", ".join(f"DROP CONSTRAINT IF EXISTS {name}" for name in checks)
        op.execute(f"ALTER TABLE {table} {names}")


def _add(connection: Connection, table: str, checks: dict[str, str]) -> None:
    # A run that was stopped may have added them.
    found = text("SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(:table)")
    there = set(connection.execute(found, {"table": table}).scalars())
    missing = [f"ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID" for name, rule in checks.items() if name not in there]
    if missing:
        alter(connection, f"ALTER TABLE {table} {', '.join(missing)}")


def _repair(connection: Connection, table: str) -> None:
    broken = " OR ".join(f"({rule}) IS FALSE" for rule in CHECKS[table].values())
    for first, last in _stretches(connection, table):
        statement = f"UPDATE {table} SET {REPAIRS[table]} WHERE id BETWEEN {first} AND {last} AND ({broken})"  # noqa: S608
        alter(connection, statement, table=table)


def _stretches(connection: Connection, table: str) -> Iterator[tuple[int, int]]:
    ends = text(f"SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM {table}")  # noqa: S608
    first, last = connection.execute(ends).one()
    for start in range(first, last + 1, IDS_AT_ONCE):
        yield start, min(start + IDS_AT_ONCE - 1, last)
