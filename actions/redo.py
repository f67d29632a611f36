"""Doing a photo again, with what a person painted over."""

import hashlib

from sqlalchemy import Connection

from core.errors import NotFound, Refused, UsageError
from core.states import JobState
from db import audit, listings, redo, uploads
from db.listings import JobView
from db.redo import Added
from removal.mask.asked import check_asked, read_asked

RUNNING = frozenset({JobState.PENDING, JobState.QUEUED, JobState.RUNNING})


def do_again(
    connection: Connection, actor: str, job_id: int, *, mask: str, size: tuple[int, int], output: bytes | None
) -> Added:
    """Make a job that does a photo again; its output takes the place of the one before.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        job_id: Which photo.
        mask: The area to erase, as `removal.mask.asked` has it.
        size: Width and height of the picture that was painted over, in pixels.
        output: The picture to start from, which is kept; None for the source.

    Raises:
        NotFound: There is no such job.
        Refused: It is still on its way.
        UsageError: The mask cannot be used.
    """
    job = listings.view_job(connection, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    refuse_running(job)
    area = _read_mask(mask, *size)
    # What a redo starts from stays readable, wherever outputs are kept or a shop's photo goes.
    uri = job.input_uri if output is None else uploads.keep(connection, output)
    key = hashlib.sha256(f"redo {job_id} {uri} {area}".encode()).hexdigest()
    added = redo.add(connection, job_id, mask=area, input_uri=uri, item_key=key)
    # Asked for again it is the newest again, so its output may take the place of another one's.
    audit.note(connection, actor, "redo", f"job {job_id}", f"as job {added.job_id}{'' if added.is_new else ' again'}")
    return added


def refuse_running(job: JobView) -> None:
    """Refuse to do a photo again that has not ended.

    Raises:
        Refused: It is still on its way.
    """
    if job.state in RUNNING:
        raise Refused(f"Job {job.id} is still {job.state}; redo it once it has finished.")


def _read_mask(told: str, width: int, height: int) -> str:
    if not told.strip():
        raise UsageError("Nothing is painted, so there is nothing to erase. Paint over what is left.")
    try:
        mask = check_asked(told)
        read_asked(mask, width, height, order="row", origin=0)
    except UsageError as error:
        raise UsageError(f"This mask cannot be used: {error}") from error
    return mask
