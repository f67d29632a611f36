"""What writes `succeeded`: a job ends with an output, in a worker's hands or at a person's word.

What was made again takes the place of its original's output by the triggers that `db.redo` tells of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import Connection

from core.states import NOT_KEPT, NOTHING_TO_REMOVE
from db import artifacts
from db.jobs import NOT_COMPARED, Changed, ClaimedJob, lock, must_hold, whose
from db.live import COLLECTED
from db.plans import row
from db.statements import text


def succeed(
    connection: Connection,
    job: ClaimedJob,
    *,
    artifact_sha256: str,
    changed: Changed = NOT_COMPARED,
    reused_from: int | None = None,
    message: str | None = None,
) -> None:
    """End a job with its artifact.

    Args:
        connection: An open transaction.
        job: Which.
        artifact_sha256: Its output, which is kept already.
        changed: How far that differs from the source.
        reused_from: The job whose output it was before.
        message: What could not be kept as it is in the source.

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
        f"lease_token = NULL, lease_expires_at = NULL, output_url = {COLLECTED}"
    )
    which = "id = :id AND lease_token = :token AND state = 'running'"
    values = {"sha256": artifact_sha256, "reused_from": reused_from, "message": message, **asdict(changed)}
    must_hold(len(_write(connection, which, values | whose(job), also)), job)


def skip(connection: Connection, job: ClaimedJob, *, artifact_sha256: str) -> None:
    """End a job with its source as its artifact, without a call, as nothing on it is to be taken off.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    also = (
        ", artifact_sha256 = :sha256, changed_ratio = 0, is_bare = true, lease_token = NULL, lease_expires_at = NULL, "
        f"output_url = {COLLECTED}"
    )
    which = "id = :id AND lease_token = :token AND state = 'running'"
    values = {"sha256": artifact_sha256, **whose(job)}
    must_hold(len(_write(connection, which, values, also, code=NOTHING_TO_REMOVE)), job)


@dataclass(frozen=True, slots=True)
class Clean:
    """A verified output that ends its job.

    Args:
        job: Whose.
        attempt_id: The call it came from.
        sha256: Of the output.
        data: The output.
        uri: Where a store keeps it already; empty when PostgreSQL is to.
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
    uri: str
    format: str
    width: int
    height: int
    changed: Changed
    bytes_received: int


def succeed_each(connection: Connection, clean: Sequence[Clean]) -> None:
    """Write down many outputs and end their jobs, in one round trip: all of them, or none.

    No two may be the same output, and none a redo's, which ends its original too.

    Raises:
        DBAPIError: Another worker owns one of the jobs, or it ended before; or an output may have been swept since it
            was uploaded, among other things.
    """
    statement = text(
        "SELECT succeed_jobs(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:attempt_ids AS bigint[]), "
        "CAST(:sha256s AS text[]), CAST(:uris AS text[]), CAST(:contents AS bytea[]), CAST(:sizes AS bigint[]), "
        "CAST(:formats AS text[]), CAST(:widths AS bigint[]), CAST(:heights AS bigint[]), "
        "CAST(:ratios AS double precision[]), CAST(:insides AS double precision[]), "
        "CAST(:outsides AS double precision[]), CAST(:received AS bigint[]))"
    )
    each = sorted(clean, key=lambda one: one.job.id)
    values: dict[str, object] = {
        "ids": [one.job.id for one in each],
        "tokens": [one.job.lease_token for one in each],
        "attempt_ids": [one.attempt_id for one in each],
        "sha256s": [one.sha256 for one in each],
        "uris": [one.uri or artifacts.uri_in_database(one.sha256) for one in each],
        "contents": [None if one.uri else one.data for one in each],
        "sizes": [len(one.data) for one in each],
        "formats": [one.format for one in each],
        "widths": [one.width for one in each],
        "heights": [one.height for one in each],
        "ratios": [one.changed.ratio for one in each],
        "insides": [one.changed.inside for one in each],
        "outsides": [one.changed.outside for one in each],
        "received": [one.bytes_received for one in each],
    }
    connection.execute(statement, values)


def accept(connection: Connection, job_ids: Iterable[int]) -> set[int]:
    """End held jobs with the outputs they have, and return those that were held and have one.

    Of what was said of them stays what the output could not keep.
    """
    which = "id = ANY(:ids) AND state = 'held' AND artifact_sha256 IS NOT NULL"
    values = {"ids": list(job_ids), "loss": rf"{NOT_KEPT}[^.]*\."}
    return _write(connection, which, values, message="substring(message FROM :loss)")


def has_artifact(connection: Connection, job_id: int, sha256: str) -> bool:
    """Whether a job has ended with this artifact (asked when a COMMIT was lost and the work is repeated)."""
    also = "state IN ('succeeded', 'held') AND artifact_sha256 = :sha256"
    statement = text(row("1", "jobs", ":id", also))
    return connection.execute(statement, {"id": job_id, "sha256": sha256}).one_or_none() is not None


def _write(
    connection: Connection,
    which: str,
    values: Mapping[str, object],
    also: str = "",
    code: str = "200",
    message: str = ":message",
) -> set[int]:
    statement = text(
        f"UPDATE jobs SET state = 'succeeded', code = '{code}', message = {message}, finished_at = now(){also} "  # noqa: S608
        f"WHERE {which} RETURNING id"
    )
    return set(connection.execute(statement, {"message": None, **values}).scalars())
