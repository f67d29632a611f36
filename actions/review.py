"""What is decided about one photo: its output is good after all, or it is not."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from core.errors import NotFound, Refused
from core.states import called
from db import audit, decisions, reviews
from db.reviews import Review, Verdict


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about.

    Args:
        job_id: The photo.
        batch_id: Its batch; None when it has none.
        twins: Jobs of the same photo, about which the same was decided.
        undo: What takes it back, within seconds; None when it cannot be taken back.
    """

    job_id: int
    batch_id: int | None
    twins: tuple[int, ...]
    undo: UUID | None = None


def accept(connection: Connection, actor: str, job_id: int) -> Decided:
    """Take the output of a held photo, and of those that are the same photo: it is clean after all.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        job_id: Which.

    Raises:
        NotFound: There is no such job.
        Refused: It is not held, or has no output.
    """
    return _note(connection, actor, "accept", reviews.accept(connection, [job_id]))


def reject(connection: Connection, actor: str, job_id: int, reason: str = "") -> Decided:
    """Drop the output of a photo that is held, or clean: it is dead, nothing exports or reuses it.

    So it is with held ones that are the same photo, and with clean ones in the same batch. People may still look at it.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        job_id: Which.
        reason: What the person has to say about it.

    Raises:
        NotFound: There is no such job.
        Refused: It is neither held nor clean.
    """
    settled = reviews.reject(connection, [job_id], reason, also_clean=True)
    return _note(connection, actor, "reject", settled, reason)


def _note(connection: Connection, actor: str, action: str, settled: list[Review], detail: str = "") -> Decided:
    found, *others = settled
    if found.verdict is not Verdict.DONE:
        raise _refusal(found, action)
    audit.note(connection, actor, action, f"job {found.job_id}", detail)
    twins = tuple(other.job_id for other in others if other.verdict is Verdict.DONE)
    for twin in twins:
        audit.note(connection, actor, action, f"job {twin}", f"the same photo as job {found.job_id}")
    before = [review.before for review in settled if review.before is not None]
    undo = decisions.keep(connection, found.batch_id, actor, before) if before and found.batch_id else None
    return Decided(found.job_id, found.batch_id, twins, undo)


def _refusal(found: Review, action: str) -> NotFound | Refused:
    match found.verdict:
        case Verdict.UNKNOWN:
            return NotFound(f"There is no job {found.job_id}.")
        case Verdict.NO_OUTPUT:
            return Refused(
                f"Job {found.job_id} has no output that could be accepted: its call may have been billed without an "
                f"answer reaching us. Reject it, or retry it (`cleanplate retry {found.batch_id} --held`)."
            )
        case _:
            needed = "neither held nor clean" if action == "reject" else "not held"
            return Refused(
                f"Job {found.job_id} of batch {found.batch_id} is {called(found.state or 'gone')}, {needed}."
            )
