"""The words for where things stand, and which moves between them are allowed."""

from enum import StrEnum


class JobState(StrEnum):
    """Where one source image stands."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    HELD = "held"
    CANCELLED = "cancelled"


class BatchState(StrEnum):
    """Where one submission stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class Lane(StrEnum):
    """Which queue a job waits in: interactive is served before bulk."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class Fit(StrEnum):
    """What happens to photos outside the API's bounds: they are made to fit, or refused."""

    FIT = "fit"
    STRICT = "strict"


class Send(StrEnum):
    """How photos travel to the API: whichever is better for each, only as URLs, or only as bytes."""

    AUTO = "auto"
    URL = "url"
    BYTES = "bytes"


class Screen(StrEnum):
    """Whether photos that carry nothing to take off are told apart before they are called for, and called or not."""

    OFF = "off"
    REPORT = "report"
    SKIP = "skip"


class AnswerClass(StrEnum):
    """What an attempt came to. The policy maps each to a move of the job."""

    SUCCESS = "success"
    THROTTLED = "throttled"
    SOURCE = "source"
    PERMANENT = "permanent"
    PROVIDER_FAULT = "provider_fault"
    MAYBE_BILLED = "maybe_billed"
    ACCOUNT = "account"
    UNKNOWN = "unknown"


class Spend(StrEnum):
    """What is known of the money of one attempt."""

    NONE = "none"
    PAID = "paid"
    MAYBE = "maybe"


NOT_KEPT = "Not as in the source: "
"""Begins what is said of an output that cannot have all that its photo has; a sentence."""
NOTHING_TO_REMOVE = "nothing_to_remove"
"""The code of a photo that succeeded without a call, as nothing on it was to be taken off."""

MOVES: dict[JobState, frozenset[JobState]] = {
    # Held: it was called for after the backup that the database went back to.
    JobState.PENDING: frozenset({JobState.QUEUED, JobState.CANCELLED, JobState.HELD}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PENDING, JobState.CANCELLED, JobState.HELD}),
    JobState.RUNNING: frozenset(
        {JobState.SUCCEEDED, JobState.DEAD, JobState.HELD, JobState.PENDING, JobState.CANCELLED}
    ),
    # A person rejects it, or takes back that it was accepted; one on which nothing was found is called for after all.
    JobState.SUCCEEDED: frozenset({JobState.DEAD, JobState.HELD, JobState.PENDING}),
    # It succeeds when what was made again in its place does, or when a person takes back that it was rejected.
    JobState.DEAD: frozenset({JobState.PENDING, JobState.SUCCEEDED, JobState.HELD}),
    JobState.HELD: frozenset({JobState.PENDING, JobState.SUCCEEDED, JobState.DEAD}),
    JobState.CANCELLED: frozenset({JobState.PENDING}),
}

BATCH_MOVES: dict[BatchState, frozenset[BatchState]] = {
    BatchState.ACTIVE: frozenset({BatchState.PAUSED, BatchState.FINISHED, BatchState.CANCELLED}),
    BatchState.PAUSED: frozenset({BatchState.ACTIVE, BatchState.CANCELLED}),
    BatchState.FINISHED: frozenset({BatchState.ACTIVE}),
    BatchState.CANCELLED: frozenset({BatchState.ACTIVE}),
}


def called(state: str) -> str:
    """Return what people call a state of a photo or batch, or the reason why a batch is paused."""
    return {JobState.DEAD.value: "failed", "hand": "by hand"}.get(state, state)
