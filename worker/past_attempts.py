"""What a job's earlier attempts came to, as the policy asks."""

from sqlalchemy import Engine

from db import attempts
from db.jobs import ClaimedJob
from db.session import transact

PATIENCE_SECONDS = 5.0


def count_code(engine: Engine, job: ClaimedJob, code: str) -> int:
    """Return how many of a job's attempts ended with a code."""
    return transact(
        engine, lambda connection: attempts.count_code(connection, job.id, code), patience_seconds=PATIENCE_SECONDS
    )


def count_failed_fetches(engine: Engine, job: ClaimedJob) -> int:
    """Return how many of a job's attempts since its last call failed to fetch something."""
    return transact(
        engine, lambda connection: attempts.count_without_call(connection, job.id), patience_seconds=PATIENCE_SECONDS
    )


def list_codes(engine: Engine, job: ClaimedJob) -> list[tuple[str, str]]:
    """Return code and message of each attempt of a job that has ended."""
    return transact(
        engine, lambda connection: attempts.list_codes(connection, job.id), patience_seconds=PATIENCE_SECONDS
    )
