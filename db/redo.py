"""Queries about doing a photo again: a new job whose output takes the place of the one before.

The database does the last step: when a job with `redo_of` succeeds, a trigger gives its output to that job, so that
exports, callbacks and the REST API find it where they always look. Of several that succeeded the one that was asked for
last wins, in whatever order they end; one that ends while its original is not through waits for that.
"""

import json
from dataclasses import dataclass

from sqlalchemy import Connection

from core.states import JobState, Lane
from db import batches, jobs, requeues
from db.live import STATE
from db.statements import text
from db.twins import Twin

SOURCE = "redo"


@dataclass(frozen=True, slots=True)
class Redo:
    """A job that was made again, or is to be."""

    job_id: int
    state: str


def find_newest(connection: Connection, job_id: int) -> Redo | None:
    """Return the newest job that does this one again, or None."""
    # Not with `=`: then the order is by id alone, for which the planner may walk all jobs backwards.
    statement = text(
        f"SELECT id, {STATE} AS state FROM jobs AS j WHERE redo_of BETWEEN :id AND :id "  # noqa: S608
        "ORDER BY redo_of DESC, id DESC LIMIT 1"
    )
    row = connection.execute(statement, {"id": job_id}).one_or_none()
    return Redo(row.id, row.state) if row else None


def list_of(connection: Connection, job_ids: list[int]) -> dict[int, list[Redo]]:
    """Return the jobs that do some again, the newest first and ten of each at most, by the job that they do again."""
    statement = text(
        "SELECT o.id AS original, r.id, r.state FROM unnest(CAST(:ids AS bigint[])) AS o (id) CROSS JOIN LATERAL ("  # noqa: S608
        f"SELECT id, {STATE} AS state FROM jobs AS j WHERE redo_of BETWEEN o.id AND o.id "
        "ORDER BY redo_of DESC, id DESC LIMIT 10) AS r"
    )
    found: dict[int, list[Redo]] = {}
    for row in connection.execute(statement, {"ids": job_ids}):
        found.setdefault(row.original, []).append(Redo(row.id, row.state))
    return found


def find_done(connection: Connection, job_id: int) -> Twin | None:
    """Return the job whose output takes the place of whatever this one comes to, or None."""
    # As the database's own `find_redone`.
    statement = text(
        "SELECT id, artifact_sha256 FROM jobs WHERE redo_of = :id AND state = 'succeeded' "
        "ORDER BY redo_asked_at DESC NULLS LAST, id DESC LIMIT 1"
    )
    row = connection.execute(statement, {"id": job_id}).one_or_none()
    return Twin(row.id, JobState.SUCCEEDED, None, None, row.artifact_sha256) if row else None


@dataclass(frozen=True, slots=True)
class Added:
    """The job that does a photo again.

    Args:
        job_id: Which.
        is_new: Whether it was made for this; the same was asked for before, otherwise.
    """

    job_id: int
    is_new: bool


def add(connection: Connection, job_id: int, *, mask: str, input_uri: str | None, item_key: str) -> Added:
    """Make a job that does a photo again with a mask, in the day's interactive batch for that; return it.

    Args:
        connection: An open transaction.
        job_id: Which photo; its name, number and elements are taken over.
        mask: The area to erase, as `removal.mask.asked` has it.
        input_uri: What is sent instead of the source, such as the output so far; None for the source.
        item_key: What makes it the same item when it is asked for again.
    """
    day = connection.execute(text("SELECT CAST(now() AT TIME ZONE 'UTC' AS date)")).scalar_one()
    bare = text(
        "SELECT coalesce(CAST(b.options ->> 'strip_metadata' AS boolean), false) FROM jobs AS j "
        "JOIN batches AS b ON b.id = j.batch_id WHERE j.id = :id"
    )
    strips = bool(connection.execute(bare, {"id": job_id}).scalar_one())
    key = f"{SOURCE} {day}{' without metadata' if strips else ''}"
    batch_id = batches.find_newest(connection, key)
    if batch_id is None:
        told = {"fit": "fit", "send": "auto", "force": False, "source": SOURCE}
        options = json.dumps(told | ({"strip_metadata": True} if strips else {}))
        name = f"Done again on {day}{', without metadata' if strips else ''}"
        batch_id = batches.create(connection, name=name, source_key=key, lane=Lane.INTERACTIVE, options=options)
    # It ends with a redo that is done already, and comes before it.
    original = text("SELECT coalesce(redo_of, id) FROM jobs WHERE id = :id")
    jobs.lock(connection, connection.execute(original, {"id": job_id}).scalar_one())
    statement = text(
        "INSERT INTO jobs (batch_id, state, source_uri, input_uri, item_key, name, sku, elements, subject_elements, "
        "mask, redo_of, redo_asked_at) SELECT :batch, 'pending', source_uri, :input, :key, name, sku, elements, "
        "subject_elements, :mask, coalesce(redo_of, id), clock_timestamp() FROM jobs WHERE id = :id "
        # One that is done already is the newest again, and a trigger takes its output.
        "ON CONFLICT (batch_id, item_key) DO UPDATE SET redo_asked_at = excluded.redo_asked_at "
        "RETURNING id, xmax = 0 AS is_new"
    )
    values = {"batch": batch_id, "input": input_uri, "key": item_key, "mask": mask, "id": job_id}
    made = connection.execute(statement, values).one()
    batches.reopen(connection, batch_id)
    # The same one, asked for before and cancelled since.
    requeues.revive(connection, [made.id])
    return Added(made.id, made.is_new)
