"""Jobs with the same photo and the same options: of those, one calls, and the others take what it came to."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from core import content
from core.states import JobState
from db.jobs import ClaimedJob, must_hold
from db.statements import text


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


@dataclass(frozen=True, slots=True)
class Noted:
    """What a job's source is.

    Args:
        job: Whose.
        sha256: Of the file.
        content_key: The same for the same file, options and provider.
        size_bytes: Of the file.
        width: Pixels.
        height: Pixels.
    """

    job: ClaimedJob
    sha256: str
    content_key: str
    size_bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class KnownSource:
    """What is known of a source that was just noted.

    Args:
        twin: Another job of the same content that makes a call needless, if any.
        is_output: Whether its bytes are an output of ours.
        is_redone: Whether a redo of this job has succeeded.
    """

    twin: Twin | None
    is_output: bool
    is_redone: bool


def note_source(connection: Connection, noted: Noted) -> KnownSource:
    """Write down what a source is, and return what is known of it.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    found = note_sources(connection, [noted])
    must_hold(len(found), noted.job)
    return found[noted.job.id]


def note_sources(connection: Connection, noted: Sequence[Noted]) -> dict[int, KnownSource]:
    """Write down what some sources are, no two of the same content; return what is known of each, by its job.

    Missing are jobs that another worker owns. The link of an output that was paid for under another content key (the
    source held another photo before, or another provider was asked) is dropped.

    The lock on the content makes two workers with identical photos ask one after the other, so that only one of
    them calls. A job that is forced looks only at its own batch.
    """
    statement = text(
        "SELECT * FROM note_sources(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:sha256s AS text[]), "
        "CAST(:content_keys AS text[]), CAST(:sizes AS bigint[]), CAST(:widths AS bigint[]), "
        "CAST(:heights AS bigint[]), CAST(:forces AS boolean[]))"
    )
    each = sorted(noted, key=lambda one: one.job.id)
    values = {
        "ids": [one.job.id for one in each],
        "tokens": [one.job.lease_token for one in each],
        "sha256s": [one.sha256 for one in each],
        "content_keys": [one.content_key for one in each],
        "sizes": [one.size_bytes for one in each],
        "widths": [one.width for one in each],
        "heights": [one.height for one in each],
        "forces": [one.job.force for one in each],
    }
    found = {}
    for job_id, twin_id, state, *rest, is_output, is_redone in connection.execute(statement, values):
        twin = Twin(twin_id, JobState(state), *rest) if twin_id is not None else None
        found[job_id] = KnownSource(twin, is_output, is_redone)
    return found


@dataclass(frozen=True, slots=True)
class Made:
    """How a job's output was made.

    Args:
        strip_metadata: Whether it tells nothing beside its picture.
        format: As Pillow names it.
        width: Pixels as stored.
        height: Pixels as stored.
    """

    strip_metadata: bool
    format: str
    width: int
    height: int


def how_made(connection: Connection, job_id: int) -> Made | None:
    """Return how a job's output was made; None when it has none."""
    statement = text(
        "SELECT coalesce(CAST(b.options ->> 'strip_metadata' AS boolean), false), f.format, f.width, f.height "
        "FROM (SELECT batch_id, artifact_sha256 FROM jobs WHERE id = :id OFFSET 0) AS j "
        "CROSS JOIN LATERAL (SELECT options FROM batches WHERE id = j.batch_id OFFSET 0) AS b "
        "CROSS JOIN LATERAL (SELECT * FROM artifacts WHERE sha256 = j.artifact_sha256 OFFSET 0) AS f"
    )
    row = connection.execute(statement, {"id": job_id}).one_or_none()
    return Made(*row) if row is not None else None


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
        # Of an index for a state, or in the order of ids, the whole would be read where the planner is wrong.
        "WHERE artifact_sha256 = :sha256 AND state || '' = 'succeeded' AND mask IS NULL "
        # One that was taken over from a redo shows more than its own options tell.
        "AND (reused_from IS NULL OR (SELECT t.content_key = jobs.content_key AND t.mask IS NULL "
        "AND t.redo_of IS NULL FROM jobs AS t WHERE t.id = jobs.reused_from LIMIT 1) IS TRUE) "
        # One that came back as it was sent is no output of ours but anybody's photo.
        "AND source_sha256 <> artifact_sha256 "
        "AND elements @> CAST(:elements AS smallint[]) AND subject_elements @> CAST(:subject AS smallint[]) "
        "LIMIT 10"
    )
    values = {"sha256": sha256, "elements": list(job.elements), "subject": list(job.subject_elements)}
    for row in connection.execute(statement, values):
        key = content.content_key(provider, row.source_sha256, tuple(row.elements), tuple(row.subject_elements), None)
        if row.content_key == key:
            return Twin(row.id, JobState.SUCCEEDED, None, None, row.artifact_sha256)
    return None
