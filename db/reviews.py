"""What people decide about held jobs: their outputs are good after all, or they are not."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row

from core.states import NOTHING_TO_REMOVE
from db import flags, success
from db.statements import text

REJECTED = "rejected"
OVERLOOKED = "overlooked"
"""Of a photo that was skipped, and on which a person sees something to take off."""


_KEEP_REJECTED = text(
    "INSERT INTO rejected_outputs (job_id, sha256) SELECT id, artifact_sha256 FROM jobs WHERE id = ANY(:ids) "
    "AND state = ANY(:states) AND artifact_sha256 IS NOT NULL ORDER BY id"
)


class Verdict(StrEnum):
    """What came of a decision about one job."""

    DONE = "done"
    UNKNOWN = "unknown"
    NOT_HELD = "not_held"
    NO_OUTPUT = "no_output"


@dataclass(frozen=True, slots=True)
class Review:
    """One job after a person decided about it.

    Args:
        job_id: Which.
        verdict: Whether the decision took effect, or why not.
        batch_id: Its batch; None when there is no such job.
        state: Where it stands now; None when there is no such job.
        before: How its row was before, for `db.decisions`; None when nothing was decided, or cannot be taken back.
    """

    job_id: int
    verdict: Verdict
    batch_id: int | None = None
    state: str | None = None
    before: dict[str, Any] | None = None


def accept(connection: Connection, job_ids: Iterable[int]) -> list[Review]:
    """Make held jobs that have an output succeed; return what came of each, in the order asked.

    Held jobs of the same photo, which have the same output, come after them: one look decides about all.
    """
    return _decide(connection, list(job_ids), success.accept, needs_output=True)


def reject(
    connection: Connection, job_ids: Iterable[int], reason: str = "", *, also_clean: bool = False
) -> list[Review]:
    """Make held jobs dead and let go of their outputs, so that nothing exports or reuses them.

    They can be requeued like other dead jobs; the same photo in another batch is not called for again. Held jobs of the
    same photo, which have the same output, are rejected with them.

    Args:
        connection: An open transaction.
        job_ids: Which.
        reason: What the person has to say about it; kept in the message.
        also_clean: Whether jobs that succeeded are rejected, too, with those of the same photo in the same batch.
    """
    statement = text(
        "UPDATE jobs SET state = 'dead', artifact_sha256 = NULL, output_url = NULL, finished_at = now(), "
        # One that was skipped says nothing of what a call makes of the same photo, and is called for when asked again.
        "code = CASE WHEN code = :skipped THEN :overlooked ELSE :code END, must_call = must_call OR code = :skipped, "
        "is_bare = is_bare AND code <> :skipped, "
        "message = 'Rejected by a person' || :why || CASE WHEN code = :skipped THEN '. It was skipped' "
        "WHEN state = 'held' THEN '. It was held because: ' || code ELSE '. It was clean' END || '.' "
        "WHERE id = ANY(:ids) AND state = ANY(:states) RETURNING id"
    )
    states = ["held", "succeeded"] if also_clean else ["held"]
    why = f": {reason.strip().rstrip('.')[:500]}" if reason.strip() else ""

    def end(connection: Connection, job_ids: list[int]) -> set[int]:
        # Who rejects by mistake, or is asked why, has to see what it was.
        connection.execute(_KEEP_REJECTED, {"ids": job_ids, "states": states})
        codes = {"code": REJECTED, "skipped": NOTHING_TO_REMOVE, "overlooked": OVERLOOKED}
        return set(connection.execute(statement, {"ids": job_ids, "why": why, "states": states, **codes}).scalars())

    return _decide(connection, list(job_ids), end, needs_output=False, states=states)


def _decide(
    connection: Connection,
    job_ids: list[int],
    end: Callable[[Connection, list[int]], set[int]],
    *,
    needs_output: bool,
    states: Sequence[str] = ("held",),
) -> list[Review]:
    job_ids = list(dict.fromkeys(job_ids)) + _find_twins(connection, job_ids, states)
    # In one order, with the originals of redos, which end with them: so nobody waits in a circle.
    before = {
        row.id: row
        for row in connection.execute(
            text(
                "SELECT id, batch_id, state, code, message, output_url, artifact_sha256, finished_at, requeues, "
                "redo_of FROM jobs WHERE id = ANY(CAST(:ids AS bigint[]) || "
                "ARRAY(SELECT redo_of FROM jobs WHERE id = ANY(:ids) AND redo_of IS NOT NULL)) ORDER BY id FOR UPDATE"
            ),
            {"ids": job_ids},
        )
    }
    changed = end(connection, job_ids)
    flags.take_away(connection, sorted(changed))
    reviews = []
    for job_id in job_ids:
        row = before.get(job_id)
        if row is None:
            reviews.append(Review(job_id, Verdict.UNKNOWN))
        elif job_id in changed:
            state = "succeeded" if needs_output else "dead"
            reviews.append(Review(job_id, Verdict.DONE, row.batch_id, state, _row_before(row, state)))
        else:
            verdict = Verdict.NO_OUTPUT if needs_output and row.state == "held" else Verdict.NOT_HELD
            reviews.append(Review(job_id, verdict, row.batch_id, row.state))
    return reviews


def _row_before(row: Row[Any], left_as: str) -> dict[str, Any] | None:
    # A redo's output has taken the place of its original's, which would not come back.
    if row.redo_of is not None:
        return None
    finished_at = row.finished_at.isoformat() if row.finished_at else None
    kept = ("id", "state", "code", "message", "output_url", "artifact_sha256", "requeues")
    left = {"left_as": left_as, "left_sha256": row.artifact_sha256 if left_as == "succeeded" else None}
    return {**{name: getattr(row, name) for name in kept}, "finished_at": finished_at, **left}


def keep_those_of(connection: Connection, batch_id: int, job_ids: list[int]) -> list[int]:
    """Return which of these jobs are of a batch, by id."""
    statement = text("SELECT id FROM jobs WHERE id = ANY(:ids) AND batch_id = :batch ORDER BY id")
    return list(connection.execute(statement, {"ids": job_ids, "batch": batch_id}).scalars())


def _find_twins(connection: Connection, job_ids: list[int], states: Sequence[str]) -> list[int]:
    statement = text(
        "SELECT DISTINCT t.id FROM jobs AS j JOIN jobs AS t ON t.content_key = j.content_key "
        "AND t.artifact_sha256 = j.artifact_sha256 AND t.state = ANY(:states) "
        # What is clean in another batch was taken there, and may be in a shop by now.
        "AND (t.state = 'held' OR t.batch_id = j.batch_id) "
        "WHERE j.id = ANY(:ids) AND j.state = ANY(:states) AND NOT (t.id = ANY(:ids)) ORDER BY t.id"
    )
    return list(connection.execute(statement, {"ids": job_ids, "states": list(states)}).scalars())
