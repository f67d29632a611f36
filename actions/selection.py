"""What is decided about many photos of a batch at once."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from core.errors import NotFound, Refused
from core.figures import counted
from core.settings import Settings
from db import audit, batches, circuits, decisions, requeues, reviews
from db.reviews import Review, Verdict


@dataclass(frozen=True, slots=True)
class DecidedAll:
    """What came of a decision about many photos.

    Args:
        photos: How many it took effect for, those that are the same photo included.
        passed_over: How many stand so that it means nothing for them.
        undo: What takes it back; None when nothing was changed, or it cannot be taken back.
    """

    photos: int
    passed_over: int
    undo: UUID | None = None


def accept_all(connection: Connection, actor: str, batch_id: int, job_ids: list[int]) -> DecidedAll:
    """Take the outputs of held photos: they are clean after all.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Whose photos.
        job_ids: Which; others of the batch are passed over, as are those of other batches.

    Raises:
        NotFound: There is no such batch.
    """
    ours = _of_batch(connection, batch_id, job_ids)
    return _note(connection, actor, "accept", batch_id, job_ids, reviews.accept(connection, ours))


def reject_all(connection: Connection, actor: str, batch_id: int, job_ids: list[int], reason: str = "") -> DecidedAll:
    """Drop the outputs of photos that are held, or clean: they are dead, and nothing exports or reuses them.

    What is clean in another batch stays so there, also when it is the same photo.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Whose photos.
        job_ids: Which; others of the batch are passed over, as are those of other batches.
        reason: What the person has to say about them.

    Raises:
        NotFound: There is no such batch.
    """
    ours = _of_batch(connection, batch_id, job_ids)
    settled = reviews.reject(connection, ours, reason, also_clean=True)
    return _note(connection, actor, "reject", batch_id, job_ids, settled, reason)


def requeue_all(
    connection: Connection, actor: str, batch_id: int, job_ids: list[int], settings: Settings
) -> DecidedAll:
    """Send dead, held or cancelled photos round again; a refused account is asked again at once.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Whose photos.
        job_ids: Which; others are passed over.
        settings: Whose account.

    Raises:
        NotFound: There is no such batch.
    """
    count = requeues.requeue_some(connection, batch_id, _of_batch(connection, batch_id, job_ids))
    if count:
        audit.note(connection, actor, "requeue", f"batch {batch_id}", f"{counted(count, 'chosen photo')}")
        circuits.probe_now(connection, settings.account)
    return DecidedAll(count, len(set(job_ids)) - count)


def undo(connection: Connection, actor: str, batch_id: int, decision_id: UUID) -> int:
    """Take a decision back, within seconds; return for how many photos.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them; nobody takes back what another decided.
        batch_id: Whose photos it is about.
        decision_id: Which.

    Raises:
        NotFound: There is none of theirs, or it was taken back.
        Refused: It is too late.
    """
    if decisions.find(connection, decision_id, batch_id, actor) is None:
        raise NotFound("There is nothing to undo.")
    count = decisions.undo(connection, decision_id)
    if not count:
        raise Refused("It is too late to undo this.")
    audit.note(connection, actor, "undo", f"batch {batch_id}", counted(count, "photo"))
    return count


def _of_batch(connection: Connection, batch_id: int, job_ids: list[int]) -> list[int]:
    batches.require(connection, batch_id)
    return reviews.keep_those_of(connection, batch_id, job_ids)


def _note(
    connection: Connection,
    actor: str,
    action: str,
    batch_id: int,
    job_ids: list[int],
    settled: list[Review],
    detail: str = "",
) -> DecidedAll:
    done = [review for review in settled if review.verdict is Verdict.DONE]
    passed_over = len(set(job_ids) - {review.job_id for review in done})
    if not done:
        return DecidedAll(0, passed_over)
    told = f"{counted(len(done), 'chosen photo')}{f': {detail}' if detail else ''}"
    audit.note(connection, actor, action, f"batch {batch_id}", told)
    before = [review.before for review in done if review.before is not None]
    return DecidedAll(len(done), passed_over, decisions.keep(connection, batch_id, actor, before) if before else None)
