"""What is kept count of for each batch, by triggers; the dispatcher adds up what changed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal

from sqlalchemy import Connection

from core.settings import SANDBOX_KEY
from core.states import JobState
from db.statements import text

COST_OF_DAY = "cost:"
"""What begins the names of counts that are money, in millionths; a day (UTC) follows."""
MICROS = 1_000_000
COSTS = f"spend <> 'none' AND account IS DISTINCT FROM '{SANDBOX_KEY}'"
"""As SQL, whether a call cost its price, or may have; to the sandbox it has one, so that limits can be tried out."""


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How many jobs stand where, and what was called and spent so far."""

    total: int = 0
    pending: int = 0
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    dead: int = 0
    held: int = 0
    cancelled: int = 0
    reused: int = 0
    retries: int = 0
    calls: int = 0
    throttled: int = 0
    maybe_billed: int = 0

    @property
    def unsettled(self) -> int:
        """Jobs that still have something to run."""
        return self.pending + self.queued + self.running

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def counts(connection: Connection, batch_id: int) -> BatchCounts:
    """Return what stands where in one batch; as fast for a million jobs as for one, as triggers keep count."""
    return tally(connection, [batch_id])[batch_id].counts


@dataclass(frozen=True, slots=True)
class Tally:
    """What is kept count of for one batch: where its jobs stand, and the money of calls that were or may have been
    billed."""

    counts: BatchCounts
    cost: Decimal


def tally(connection: Connection, batch_ids: Sequence[int]) -> dict[int, Tally]:
    """Return what is kept count of for some batches, by id; as fast for a million jobs as for one."""
    rows = connection.execute(
        text(
            "SELECT batch_id, what, CAST(sum(n) AS bigint) AS n FROM ("
            "SELECT batch_id, what, n FROM batch_counts WHERE batch_id = ANY(:ids) UNION ALL "
            "SELECT batch_id, what, n FROM batch_count_changes WHERE batch_id = ANY(:ids)) AS both_tables "
            "GROUP BY batch_id, what"
        ),
        {"ids": list(batch_ids)},
    )
    found: dict[int, dict[str, int]] = {batch_id: {} for batch_id in batch_ids}
    micros = dict.fromkeys(batch_ids, 0)
    for row in rows:
        if row.what.startswith(COST_OF_DAY):
            micros[row.batch_id] += row.n
        else:
            found[row.batch_id][row.what] = row.n
    return {
        batch_id: Tally(
            BatchCounts(total=sum(each.get(state.value, 0) for state in JobState), **each),
            Decimal(micros[batch_id]) / MICROS,
        )
        for batch_id, each in found.items()
    }


def counted(what: str) -> str:
    """Return, as SQL, what is added up of a batch `b` and of some counts, `what`, so that only their key will do."""
    return (
        "coalesce((SELECT sum(n) FROM (SELECT n FROM batch_counts WHERE batch_id BETWEEN b.id AND b.id "  # noqa: S608
        f"AND what IN ({what}) ORDER BY batch_id, what OFFSET 0) AS counted), 0)"
    )


def fold(connection: Connection) -> None:
    """Add what changed to the counts that stand, so that there is little to add when somebody asks."""
    connection.execute(
        text(
            "WITH taken AS (DELETE FROM batch_count_changes RETURNING batch_id, what, n) "
            "INSERT INTO batch_counts AS c (batch_id, what, n) SELECT batch_id, what, sum(n) FROM taken "
            "GROUP BY batch_id, what ON CONFLICT (batch_id, what) DO UPDATE SET n = c.n + excluded.n"
        )
    )
