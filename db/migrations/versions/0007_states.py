"""What a state asks of its row is held by the database

The tables stay in use: a constraint is added unchecked, which takes an exclusive lock for a moment that nobody waits
for longer than LOCK_TIMEOUT, and then checked beside others' writes. Rows of older versions that break one are mended
before, a stretch of ids at a time, and once more after, as processes of those versions may still have written some.
"""

import logging
import time
from collections.abc import Iterator

from alembic import op
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)

LOCK_TIMEOUT = "1s"
TRIES = 120
PAUSE_SECONDS = 1.0
IDS_AT_ONCE = 20_000

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
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        for table, checks in CHECKS.items():
            _repair(connection, table)
            _add(connection, table, checks)
            _repair(connection, table)
            names = ", ".join(f"VALIDATE CONSTRAINT {name}" for name in checks)
            _run(connection, f"ALTER TABLE {table} {names}")
        connection.execute(text("RESET lock_timeout"))


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
        _run(connection, f"ALTER TABLE {table} {', '.join(missing)}")


def _repair(connection: Connection, table: str) -> None:
    broken = " OR ".join(f"({rule}) IS FALSE" for rule in CHECKS[table].values())
    mended = 0
    for first, last in _stretches(connection, table):
        mended += _run(
            connection,
            f"UPDATE {table} SET {REPAIRS[table]} WHERE id BETWEEN {first} AND {last} AND ({broken})",  # noqa: S608
        )
    if mended:
        log.info("mended %d rows of %s that an older version left", mended, table)


def _stretches(connection: Connection, table: str) -> Iterator[tuple[int, int]]:
    ends = text(f"SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM {table}")  # noqa: S608
    first, last = connection.execute(ends).one()
    for start in range(first, last + 1, IDS_AT_ONCE):
        yield start, min(start + IDS_AT_ONCE - 1, last)


def _run(connection: Connection, statement: str) -> int:
    """Run a statement until it gets its locks, without keeping others waiting meanwhile; return how many rows it wrote.

    Raises:
        OperationalError: It did not in all its tries; run the migration again when less is going on.
    """
    for left in reversed(range(TRIES)):
        try:
            return connection.execute(text(statement)).rowcount
        except OperationalError as error:
            if not (left and isinstance(error.orig, LockNotAvailable | DeadlockDetected)):
                raise
            log.info("others hold what a migration needs; trying again")
            time.sleep(PAUSE_SECONDS)
    raise AssertionError
