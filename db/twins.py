"""Jobs with the same photo and the same options: of those, one calls, and the others take what it came to."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from core import content
from core.states import JobState
from db import locks
from db.jobs import ClaimedJob, must_hold, whose
from db.locks import Space


@dataclass(frozen=True, slots=True)
class Twin:
    """Another job with the same bytes and options: done, running right now, held, or refused by the API.

    One with an `output_url` has paid, and not fetched what it paid for.
    """

    job_id: int
    state: JobState
    code: str | None
    message: str | None
    artifact_sha256: str | None
    output_url: str | None = None


def note_source(
    connection: Connection,
    job: ClaimedJob,
    *,
    sha256: str,
    content_key: str,
    size_bytes: int,
    width: int,
    height: int,
) -> Twin | None:
    """Write down what the source is; return another job of the same content that makes a call needless, if any.

    The link of an output that was paid for under another content key (the source held another photo before, or another
    provider was asked) is dropped.

    The lock on the content makes two workers with identical photos ask one after the other, so that only one of
    them calls. A job that is forced looks only at its own batch.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    locks.hold(connection, Space.CONTENT, content_key)
    statement = text(
        "UPDATE jobs SET source_sha256 = :sha256, content_key = :content_key, content_lease = :token, "
        "source_bytes = :size_bytes, width = :width, height = :height, "
        # The output of what the source was before, or of whom another was asked, must never pass for that of now.
        "output_url = CASE WHEN content_key = :content_key THEN output_url END "
        "WHERE id = :id AND lease_token = :token AND state = 'running'"
    )
    values = {
        "sha256": sha256,
        "content_key": content_key,
        "size_bytes": size_bytes,
        "width": width,
        "height": height,
    }
    must_hold(connection.execute(statement, values | whose(job)).rowcount, job)
    row = connection.execute(
        text(
            "SELECT j.id, j.state, j.code, j.message, j.artifact_sha256, "
            "CASE WHEN j.state <> 'running' THEN j.output_url END AS output_url FROM jobs AS j "
            "WHERE j.content_key = :key AND j.id <> :id AND (NOT :force OR j.batch_id = :batch_id) "
            "AND (j.state = 'succeeded' "
            # Only one that noted its source in this very run is waited for: of identical photos the first one calls.
            "OR (j.state = 'running' AND j.content_lease = j.lease_token) "
            "OR (j.state <> 'running' AND j.output_url IS NOT NULL) "
            "OR (:first_time AND (j.state = 'held' OR (j.state = 'dead' AND (j.code = 'rejected' "
            "OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.job_id = j.id AND a.code = j.code "
            "AND a.answer_class = 'permanent')))))) "
            "ORDER BY j.state = 'succeeded' DESC, j.state = 'running' DESC, j.output_url IS NOT NULL DESC, "
            "j.state = 'held' DESC, j.id LIMIT 1"
        ),
        {
            "key": content_key,
            "id": job.id,
            "batch_id": job.batch_id,
            "force": job.force,
            "first_time": job.requeues == 0,
        },
    ).one_or_none()
    return Twin(row.id, JobState(row.state), *row[2:]) if row else None


def find_own_output(connection: Connection, job: ClaimedJob, sha256: str, provider: str) -> Twin | None:
    """Return the job whose output a photo is, if as much was taken off it as this job asks for; None otherwise.

    Args:
        connection: An open transaction.
        job: Whose photo.
        sha256: Of the photo's file.
        provider: Who would be asked; what another one made is not taken for clean.
    """
    if job.force or job.mask is not None:
        return None
    statement = text(
        "SELECT id, artifact_sha256, content_key, source_sha256, elements, subject_elements FROM jobs "
        "WHERE artifact_sha256 = :sha256 AND state = 'succeeded' AND mask IS NULL AND reused_from IS NULL "
        # One that came back as it was sent is no output of ours but anybody's photo.
        "AND source_sha256 <> artifact_sha256 "
        "AND elements @> CAST(:elements AS smallint[]) AND subject_elements @> CAST(:subject AS smallint[]) "
        "ORDER BY id LIMIT 10"
    )
    values = {"sha256": sha256, "elements": list(job.elements), "subject": list(job.subject_elements)}
    for row in connection.execute(statement, values):
        key = content.content_key(provider, row.source_sha256, tuple(row.elements), tuple(row.subject_elements), None)
        if row.content_key == key:
            return Twin(row.id, JobState.SUCCEEDED, None, None, row.artifact_sha256)
    return None
