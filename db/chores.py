"""Whether there is anything to do, asked in one statement: who finds nothing leaves all others unasked."""

from dataclasses import dataclass

from sqlalchemy import Connection

from db.live import RUNNING
from db.plans import ACTIVE
from db.statements import text


@dataclass(frozen=True, slots=True)
class Chores:
    """What a leader has to look at.

    Args:
        has_work: A batch is active; without one, nothing can be due.
        has_live: Jobs are in Redis or running, which may be lost or silent.
        has_rest: Rows of a cancel or a requeue are still to be written.
        has_changes: Counts or costs are to be added up.
        has_paused: A batch waits for budget.
    """

    has_work: bool = True
    has_live: bool = True
    has_rest: bool = True
    has_changes: bool = True
    has_paused: bool = True


ALL = Chores()
"""Where nobody asks, as there is work."""


@dataclass(frozen=True, slots=True)
class Errands:
    """What of it is due that leads out of the house.

    Args:
        callbacks: Shops are to be told of something.
        lookups: Shops are to be asked for photos.
        writebacks: Photos are to be put into shops.
    """

    callbacks: bool
    lookups: bool
    writebacks: bool


# Each by its own index, in its order: what is read whole has only what changed since it was read last.
_CLEARING = "(SELECT 1 FROM batches WHERE is_clearing ORDER BY cancelled_at OFFSET 0)"
_PAUSED = (
    "(SELECT 1 FROM batches WHERE state = 'paused' AND pause_reason BETWEEN 'budget' AND 'budget' "
    "ORDER BY pause_reason, id OFFSET 0)"
)
_FIND = text(
    f"SELECT EXISTS (SELECT 1 FROM {ACTIVE} AS active), "  # noqa: S608
    f"EXISTS (SELECT 1 FROM queued_jobs) OR EXISTS (SELECT 1 FROM {RUNNING} AS running), "
    f"EXISTS (SELECT 1 FROM {_CLEARING} AS clearing) OR EXISTS (SELECT 1 FROM requeues), "
    "EXISTS (SELECT 1 FROM batch_count_changes) OR EXISTS (SELECT 1 FROM ledger_changes), "
    f"EXISTS (SELECT 1 FROM {_PAUSED} AS paused)"
)

_OF_SHOPS = "ended_at IS NULL AND available_at <= now() ORDER BY available_at, id OFFSET 0"
_FIND_ERRANDS = text(
    f"SELECT EXISTS (SELECT 1 FROM (SELECT 1 FROM callbacks WHERE {_OF_SHOPS}) AS due), "  # noqa: S608
    f"EXISTS (SELECT 1 FROM (SELECT 1 FROM lookups WHERE {_OF_SHOPS}) AS due), "
    "EXISTS (SELECT 1 FROM connections AS c CROSS JOIN LATERAL (SELECT 1 FROM writebacks AS w "
    "WHERE w.connection_id = c.id AND w.state IN ('due', 'restoring') AND w.available_at <= now() "
    "ORDER BY w.available_at, w.id LIMIT 1) AS due "
    "WHERE c.closed_at IS NULL AND c.sealed_token IS NOT NULL AND c.writing_paused IS NULL AND c.api_after <= now())"
)


def find(connection: Connection) -> Chores:
    """Return what a leader has to look at."""
    return Chores(*connection.execute(_FIND).one())


def find_errands(connection: Connection) -> Errands:
    """Return which errands are due; of one that is, whoever takes it looks more closely."""
    return Errands(*connection.execute(_FIND_ERRANDS).one())
