"""What writes `succeeded`: a job ends with an output, in a worker's hands or at a person's word.

What was made again takes the place of its original's output by the triggers that `db.redo` tells of.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from sqlalchemy import Connection, text

from db.jobs import NOT_COMPARED, Changed, ClaimedJob, lock, must_hold, whose


def succeed(
    connection: Connection,
    job: ClaimedJob,
    *,
    artifact_sha256: str,
    changed: Changed = NOT_COMPARED,
    reused_from: int | None = None,
) -> None:
    """End a job with its artifact.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    if job.redo_of is not None:
        # Which ends with it, and comes before it.
        lock(connection, job.redo_of, job.id)
    also = (
        ", artifact_sha256 = :sha256, changed_ratio = :ratio, changed_inside = :inside, changed_outside = :outside, "
        "reused_from = :reused_from, "
        "attempts = attempts + CASE WHEN CAST(:reused_from AS bigint) IS NULL THEN 1 ELSE 0 END, "
        "lease_token = NULL, lease_expires_at = NULL, output_url = NULL"
    )
    which = "id = :id AND lease_token = :token AND state = 'running'"
    values = {"sha256": artifact_sha256, "reused_from": reused_from, **asdict(changed)}
    must_hold(len(_write(connection, which, values | whose(job), also)), job)


def accept(connection: Connection, job_ids: Iterable[int]) -> set[int]:
    """End held jobs with the outputs they have, and return those that were held and have one."""
    return _write(
        connection, "id = ANY(:ids) AND state = 'held' AND artifact_sha256 IS NOT NULL", {"ids": list(job_ids)}
    )


def _write(connection: Connection, which: str, values: Mapping[str, object], also: str = "") -> set[int]:
    statement = text(
        f"UPDATE jobs SET state = 'succeeded', code = '200', message = NULL, finished_at = now(){also} "  # noqa: S608
        f"WHERE {which} RETURNING id"
    )
    return set(connection.execute(statement, values).scalars())
