"""No room for temporary files: told as what it is, wherever a request comes upon it."""

import errno
import logging
import shutil
import tempfile

from fastapi import HTTPException

LEAST_BYTES = 1_000_000
"""Of what is free, for a file that is made while it is read: what it lacks later breaks it off."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_MESSAGE = (
    "There is no room for temporary files at this moment. Nothing from this request was kept; try again in a while, or "
    "send less at once."
)

log = logging.getLogger(__name__)


def refusal_of(error: BaseException) -> HTTPException | None:
    """Return what a request is answered with that failed for want of room; None when it failed of something else."""
    # The framework takes whatever keeps it from reading a form for a broken form.
    causes = (error, error.__cause__)
    return refusal() if any(isinstance(each, OSError) and each.errno in _FULL for each in causes) else None


def refusal() -> HTTPException:
    """Return what a request is answered with for which there is no room, and tell whoever reads the log where."""
    log.error("there is no room for temporary files in %s", tempfile.gettempdir())
    return HTTPException(503, _MESSAGE, {"Retry-After": "30"})


def has_room() -> bool:
    """Whether a file can be begun."""
    return shutil.disk_usage(tempfile.gettempdir()).free >= LEAST_BYTES
