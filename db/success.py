"""What writes `succeeded`: a job ends with an output, in a worker's hands or at a person's word.

What was made again takes the place of its original's output by the triggers that `db.redo` tells of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

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


@dataclass(frozen=True, slots=True)
class Clean:
    """A verified output that ends its job.

    Args:
        job: Whose.
        attempt_id: The call it came from.
        sha256: Of the output.
        data: The output.
        format: Pillow's name.
        width: Pixels.
        height: Pixels.
        changed: How far it differs from the source.
        bytes_received: How large the API's own output was.
    """

    job: ClaimedJob
    attempt_id: int
    sha256: str
    data: bytes = field(repr=False)
    format: str
    width: int
    height: int
    changed: Changed
    bytes_received: int


def succeed_each(connection: Connection, clean: Sequence[Clean]) -> set[int]:
    """Keep many outputs in the database and end their jobs, in one statement; return the jobs that it ended.

    No two may be the same output, and none a redo's, which ends its original too. Missing are jobs that another worker
    owns, and those that ended before.
    """
    statement = text(
        """
        WITH clean AS MATERIALIZED (
            SELECT * FROM unnest(
                CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:attempt_ids AS bigint[]),
                CAST(:sha256s AS text[]), CAST(:sizes AS bigint[]), CAST(:formats AS text[]),
                CAST(:widths AS bigint[]), CAST(:heights AS bigint[]), CAST(:ratios AS double precision[]),
                CAST(:insides AS double precision[]), CAST(:outsides AS double precision[]),
                CAST(:received AS bigint[])
            ) AS t (id, token, attempt_id, sha256, size, format, width, height, ratio, inside, outside, received)
        ), kept AS (
            INSERT INTO artifacts (sha256, uri, size_bytes, format, width, height)
            SELECT sha256, 'postgres:' || sha256, size, format, width, height FROM clean ORDER BY sha256
            ON CONFLICT (sha256) DO NOTHING RETURNING sha256
        ), bytes AS (
            INSERT INTO artifact_bytes (sha256, data)
            SELECT sha256, data FROM unnest(CAST(:sha256s AS text[]), CAST(:data AS bytea[])) AS t (sha256, data)
            WHERE sha256 IN (SELECT sha256 FROM kept) ON CONFLICT (sha256) DO NOTHING RETURNING sha256
        ), ours AS MATERIALIZED (
            SELECT j.id FROM jobs AS j JOIN clean ON clean.id = j.id
            -- Outputs come before jobs.
            WHERE j.lease_token = clean.token AND j.state = 'running' AND (SELECT count(*) FROM bytes) >= 0
            ORDER BY j.id FOR NO KEY UPDATE OF j
        ), ended AS (
            UPDATE jobs AS j SET state = 'succeeded', code = '200', message = NULL, finished_at = now(),
                artifact_sha256 = clean.sha256, changed_ratio = clean.ratio, changed_inside = clean.inside,
                changed_outside = clean.outside, reused_from = NULL, attempts = attempts + 1,
                lease_token = NULL, lease_expires_at = NULL, output_url = NULL
            FROM clean JOIN ours ON ours.id = clean.id WHERE j.id = ours.id RETURNING j.id
        ), told AS (
            -- The raw answer is kept only when something was wrong with it.
            UPDATE attempts AS a SET bytes_received = clean.received, raw = NULL
            FROM clean JOIN ended ON ended.id = clean.id WHERE a.id = clean.attempt_id
        )
        SELECT id FROM ended
        """
    )
    each = sorted(clean, key=lambda one: one.job.id)
    values: dict[str, object] = {
        "ids": [one.job.id for one in each],
        "tokens": [one.job.lease_token for one in each],
        "attempt_ids": [one.attempt_id for one in each],
        "sha256s": [one.sha256 for one in each],
        "data": [one.data for one in each],
        "sizes": [len(one.data) for one in each],
        "formats": [one.format for one in each],
        "widths": [one.width for one in each],
        "heights": [one.height for one in each],
        "ratios": [one.changed.ratio for one in each],
        "insides": [one.changed.inside for one in each],
        "outsides": [one.changed.outside for one in each],
        "received": [one.bytes_received for one in each],
    }
    return set(connection.execute(statement, values).scalars())


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
