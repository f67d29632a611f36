"""What a number of photos takes: days, money, machines and disks, reckoned from measured figures."""

import math
from dataclasses import dataclass
from decimal import Decimal

from core.errors import UsageError

MOST_THREADS = 256
"""Of one worker process, as `WORKER_CONCURRENCY` allows."""
BUSY_SHARE = 0.6
"""How much of a core a worker process may take. A choice: above it calls miss their slots, as measured at 50/s."""
AROUND_SECONDS = 1.0
"""How long a photo is in flight besides its call: fetched, checked, waiting for its slot, written. A choice, and a
generous one; on one machine it is a tenth of a second."""
WINDOW_SLACK_SECONDS = 2.0
"""How much more than what is in flight the dispatcher keeps in Redis, as `producer.window` has it."""
SECONDS_A_DAY = 86_400
PROCESS_CONNECTIONS = 16
"""To PostgreSQL, of one worker process at most, as `worker.connections` has it."""
OTHER_CONNECTIONS = 32
"""Of a dispatcher, a web application and people at the command line."""
MOST_CONNECTIONS = 200
"""A PostgreSQL that keeps a process for each should not be asked for more without thought."""
MOST_REDIS_CORES = 0.7
"""Redis runs scripts in one thread; a limiter that waits for it misses slots."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one photo takes, as `make bench` measured it; bench/RESULTS.md has these figures beside the newest ones.

    On two cores of a virtual machine, with photos of 640×800 pixels and 90 kB that are fetched over HTTP and sent as
    Base64, and outputs of the same size in a folder.

    Args:
        worker_ms: CPU of a worker, and of the processes that decode for it.
        dispatcher_ms: CPU of the dispatcher.
        postgres_ms: CPU of PostgreSQL.
        redis_ms: CPU of Redis.
        quota_used: Share of the quota that is used in the long run.
        process_mb: Memory of a worker process with nothing in flight.
        thread_mb: Memory of one photo in flight.
        row_bytes: What each of a million finished photos leaves in PostgreSQL, indexes included, outputs not.
        redis_base_mb: Memory of Redis with a fleet connected and nothing to do.
        message_bytes: Memory of Redis that one job takes while it waits there.
    """

    worker_ms: float = 14.4
    dispatcher_ms: float = 0.9
    postgres_ms: float = 2.9
    redis_ms: float = 0.6
    quota_used: float = 0.99
    process_mb: float = 92.0
    thread_mb: float = 0.5
    row_bytes: int = 2400
    redis_base_mb: float = 2.6
    message_bytes: int = 860


MEASURED = Measured()


@dataclass(frozen=True, slots=True)
class Capacity:
    """What it comes to.

    Args:
        images: Photos to be called for.
        rate: Calls per second.
        latency: Seconds that a call takes.
        output_kb: How large an output is, in kB.
        days: From the first call to the last.
        cost: Of all calls; None without a price.
        in_flight: Photos under way at once.
        processes: Worker processes.
        threads: Photos in flight in each, `WORKER_CONCURRENCY`.
        worker_mb: Memory of all workers.
        worker_cores: CPU of workers and dispatcher, in cores.
        postgres_cores: CPU of PostgreSQL, in cores.
        redis_cores: CPU of Redis, in cores.
        postgres_gb: Disk of PostgreSQL in the end, without outputs.
        artifact_gb: Outputs in the end, wherever `ARTIFACT_STORE` keeps them.
        window: Jobs in Redis or running, at most.
        redis_mb: Memory of Redis.
        connections: Connections to PostgreSQL, at most.
    """

    images: int
    rate: float
    latency: float
    output_kb: float
    days: float
    cost: Decimal | None
    in_flight: int
    processes: int
    threads: int
    worker_mb: float
    worker_cores: float
    postgres_cores: float
    redis_cores: float
    postgres_gb: float
    artifact_gb: float
    window: int
    redis_mb: float
    connections: int


def reckon(
    images: int,
    rate: float,
    latency: float,
    *,
    price: Decimal | None = None,
    output_kb: float = 90.0,
    measured: Measured = MEASURED,
) -> Capacity:
    """Return what so many photos take at so many calls per second.

    Args:
        images: Photos to be called for; each takes one call.
        rate: Quota in calls per second.
        latency: Seconds that a call takes.
        price: Of one call; None when it is not known.
        output_kb: How large an output is, in kB.
        measured: What one photo takes.

    Raises:
        UsageError: One of them is no such number.
    """
    for name, value in (("images", images), ("rate", rate), ("latency", latency), ("output-kb", output_kb)):
        if not 0 < value < math.inf:
            raise UsageError(f"--{name} must be more than 0 (given: {value:g}).")
    # As the limiter: from one a second on, only whole calls.
    rate = float(math.floor(rate)) if rate >= 1 else rate
    in_flight = math.ceil(rate * (latency + AROUND_SECONDS))
    busy = rate * measured.worker_ms / 1000 / BUSY_SHARE
    processes = max(1, math.ceil(busy), math.ceil(in_flight / MOST_THREADS))
    threads = math.ceil(in_flight / processes)
    window = max(2, math.ceil(rate * (latency + WINDOW_SLACK_SECONDS)))
    return Capacity(
        images=images,
        rate=rate,
        latency=latency,
        output_kb=output_kb,
        days=max(latency, images / (rate * measured.quota_used)) / SECONDS_A_DAY,
        cost=None if price is None else price * images,
        in_flight=in_flight,
        processes=processes,
        threads=threads,
        worker_mb=processes * (measured.process_mb + threads * measured.thread_mb),
        worker_cores=rate * (measured.worker_ms + measured.dispatcher_ms) / 1000,
        postgres_cores=rate * measured.postgres_ms / 1000,
        redis_cores=rate * measured.redis_ms / 1000,
        postgres_gb=images * measured.row_bytes / 1e9,
        artifact_gb=images * output_kb / 1e6,
        window=window,
        redis_mb=measured.redis_base_mb + window * measured.message_bytes / 1e6,
        connections=processes * min(threads, PROCESS_CONNECTIONS) + OTHER_CONNECTIONS,
    )
