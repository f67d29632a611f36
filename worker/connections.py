"""A worker's connections to PostgreSQL: what must not wait for others has some of its own."""

from dataclasses import dataclass

from sqlalchemy import Engine

from db.session import make_engine, open_all

MOST_CONNECTIONS = 16
"""Of one worker: any number of them share what PostgreSQL has."""
PAID_CONNECTIONS = 3
LOCK_SECONDS = 1.0
"""How long a statement waits for a row that others keep before its connection serves somebody else."""


@dataclass(frozen=True, slots=True)
class Connections:
    """The pools of one process.

    Args:
        work: For all that can wait: claims, the opening of calls, what did not succeed.
        paid: For answers that are paid for and their outputs.
        leases: For the leases alone.
    """

    work: Engine
    paid: Engine
    leases: Engine

    def open_all(self) -> int:
        """Open every connection there may be, and return how many.

        Raises:
            SQLAlchemyError: PostgreSQL takes no connections.
        """
        return sum(open_all(engine) for engine in (self.work, self.paid, self.leases))

    def close(self) -> None:
        """Close those that nobody uses."""
        for engine in (self.work, self.paid, self.leases):
            engine.dispose()


def connect(database_url: str, concurrency: int) -> Connections:
    """Return the pools of a process; nothing is opened yet.

    Args:
        database_url: Where PostgreSQL is.
        concurrency: How many jobs run at the same time.
    """

    def pool(size: int) -> Engine:
        return make_engine(database_url, pool_size=size, is_strict=True, lock_seconds=LOCK_SECONDS, is_by_key=True)

    return Connections(
        work=pool(min(MOST_CONNECTIONS - PAID_CONNECTIONS - 1, concurrency)),
        paid=pool(min(PAID_CONNECTIONS, concurrency)),
        leases=pool(1),
    )
