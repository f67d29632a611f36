"""How one execution of a job ended, as it is told to Celery, logs and metrics."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """How one execution of a job ended.

    Args:
        state: The job's state now: `succeeded`, `pending` (retry or snooze), `dead`, `held`; `gone` when there was
            nothing to do for this message.
        code: The code it ended with.
        message: For a person.
    """

    state: str
    code: str = ""
    message: str = ""


GONE = Ending("gone")
