"""What the pipeline works with."""

import threading
from dataclasses import dataclass, field

from sqlalchemy import Engine

from photos.fetch import Fetcher
from removal.answers import KindOf
from removal.bounds import Bounds
from removal.mask import Order
from worker.call import Caller
from worker.finish import Finisher
from worker.leases import LeaseKeeper
from worker.output import HOLD_CHANGED_ABOVE, HOLD_UNCHANGED_BELOW
from worker.policy import RetryRules
from worker.prover import Prover
from worker.screener import Screener
from worker.writes import Writes


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the pipeline works with; made once per process.

    Args:
        engine: The database.
        writes: Writes what goes right, for many jobs at once.
        caller: Makes the calls.
        fetcher: Fetches photos and outputs.
        finisher: Writes how executions ended.
        leases: Keeps this process' jobs its own.
        rules: How often and how soon a job is tried again.
        provider: Who is asked, in content keys.
        kind_of: What the provider's codes mean.
        screener: Tells photos apart that need no call.
        worker: The name of this process.
        lease_seconds: How long a silent worker keeps a job.
        stopping: Set once nothing more may be called.
        prover: Tells outputs apart on which something is left or damaged; None: nobody does.
        bounds: The photos the provider takes.
        takes_bytes: Whether it takes them as bytes, or only as URLs.
        hold_unchanged_below: Outputs that differ by a smaller share are held; 0 holds none.
        hold_changed_above: Outputs that differ by a larger share are held; 1 holds none.
        mask_order: How masks count their pixels, in jobs and towards the provider.
        mask_origin: The number of a mask's first pixel, 0 or 1.
    """

    engine: Engine
    writes: Writes
    caller: Caller
    fetcher: Fetcher
    finisher: Finisher
    leases: LeaseKeeper
    rules: RetryRules
    provider: str
    kind_of: KindOf
    screener: Screener
    worker: str
    lease_seconds: float
    stopping: threading.Event
    prover: Prover | None = None
    bounds: Bounds = field(default_factory=Bounds)
    takes_bytes: bool = True
    hold_unchanged_below: float = HOLD_UNCHANGED_BELOW
    hold_changed_above: float = HOLD_CHANGED_ABOVE
    mask_order: Order = "row"
    mask_origin: int = 0
