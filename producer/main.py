"""The dispatcher process."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from core import tracing
from core.decision import Decision
from core.errors import DatabaseDown
from core.metrics import serve_metrics
from core.settings import Settings
from db.budgets import tariff_of
from db.heart import heart
from db.migrate import refuse_older_schema
from db.rescues import Lapsed
from db.session import make_engine
from producer.callbacks.courier import Courier
from producer.dispatcher import Dispatcher, DispatcherOptions
from producer.fleet_metrics import FleetCollector
from producer.publisher import Publisher
from producer.restored import notice_restore
from producer.rounds import Bell
from producer.webhooks.lookups import Asker
from producer.writebacks.writer import Writer
from removal.limiter.memos import CallMemory

log = logging.getLogger(__name__)

POOL_SIZE = 5
"""And as many again under load; with the leader's own connection and the bell's that makes twelve."""


def run_dispatcher(settings: Settings, stop: threading.Event, decide_lost: Callable[[Lapsed], Decision]) -> None:
    """Dispatch until `stop` is set.

    Args:
        settings: Needs DATABASE_URL and REDIS_URL.
        stop: Ends the process between two rounds.
        decide_lost: The policy for a job whose worker fell silent.
    """
    options = DispatcherOptions(
        account=settings.account,
        rate=settings.removal_rate,
        lease_seconds=settings.lease_seconds,
        tariff=tariff_of(settings),
        canary_max_bad=settings.canary_max_bad,
        events_kept_days=settings.events_kept_days,
        settled_after_seconds=settings.removal_timeout + 2 * settings.lease_seconds,
    )
    # A database that can never be used is told of once, before anybody tries again and again.
    with suppress(DatabaseDown):
        refuse_older_schema(make_engine(settings.database_url, pooled=False))
    engine = make_engine(settings.database_url, pool_size=POOL_SIZE)
    bell_engine = make_engine(settings.database_url, pool_size=1, is_strict=True, is_by_key=True)
    memory = CallMemory(settings.redis_url, settings.account)
    name = f"{socket.gethostname()}-{os.getpid()}"
    bell = Bell(bell_engine)
    beside = [
        threading.Thread(target=bell.run, args=(stop,), name="Bell"),
        *(
            threading.Thread(target=each.run, args=(stop, bell), name=type(each).__name__)
            for each in (Courier(engine, settings), Asker(engine, settings), Writer(engine, settings))
        ),
    ]
    for thread in beside:
        thread.start()
    try:
        with Publisher(settings.redis_url) as publisher:
            look_back = partial(notice_restore, engine, memory, settings)
            dispatcher = Dispatcher(engine, publisher, options, decide_lost, look_back)
            serve_metrics(settings.metrics_host, settings.metrics_port, FleetCollector(engine, settings))
            with heart(
                engine, name, "dispatcher", is_leader=lambda: dispatcher.is_leading, is_well=lambda: dispatcher.is_well
            ):
                dispatcher.run(stop)
    finally:
        stop.set()
        for thread in beside:
            thread.join()
    memory.close()
    bell_engine.dispose()
    engine.dispose()
    tracing.stop()
    log.info("stopped")
