"""The worker process: builds what it works with once, runs Celery's threads pool, and leaves in time when told to."""

import gc
import os
import secrets
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module

import structlog
from celery.apps import worker as celery_program
from celery.signals import worker_ready, worker_shutting_down
from kombu.asynchronous import Hub
from redis import Redis
from sqlalchemy.exc import SQLAlchemyError

from core import tracing
from core.errors import DatabaseDown, RedisDown
from core.metrics import serve_metrics
from core.queues import SOCKET_SECONDS
from core.settings import Settings
from core.states import Lane
from db import budgets
from db.budgets import tariff_of
from db.heart import heart
from db.migrate import refuse_older_schema
from db.outages import ProbeRules
from db.session import transact
from db.store import open_store
from photos import decoders
from photos.fetch import Fetcher
from photos.findings import can_look
from producer.restored import notice_restore
from removal.client import RemovalClient
from removal.limiter import Limiter, LimiterUnavailable, Outcome
from removal.limiter.memos import CallMemory
from worker.call import Caller
from worker.celery_app import make_app
from worker.circuit import AccountHealth
from worker.connections import Connections, connect
from worker.equipment import Equipment
from worker.finish import Finisher
from worker.leases import LeaseKeeper
from worker.lookers import Lookers
from worker.pipeline import Pipeline
from worker.policy import rules_from
from worker.prover import Prover
from worker.screener import Screener
from worker.taken_messages import telling_what_is_held
from worker.writes import Writes

log = structlog.stdlib.get_logger(__name__)

SWITCH_SECONDS = 0.001
LEAVE_SECONDS = 4.0
SPARE_REDIS_CONNECTIONS = 16
CONNECT_SECONDS = 5.0
HEARTBEAT_SECONDS = 5.0
"""Flower shows a worker as gone that it has not heard of for twice as long."""
MAX_FETCH_BYTES = 40_000_000
LOOK_THREADS = max(1, os.cpu_count() or 1)
PROVEN_PER_CORE = 10.0
"""From so many calls a second on, looks would take the cores that calls need: one takes a tenth of a second or more."""


def run_worker(settings: Settings) -> None:
    """Run jobs until SIGTERM; then finish the calls in flight, hand back the rest, and return.

    Args:
        settings: Needs DATABASE_URL, REDIS_URL and an API URL.
    """
    # A thread that wakes for its slot must not wait the default 5 ms for the interpreter.
    sys.setswitchinterval(SWITCH_SECONDS)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    stopping, out_of_time, stopped = threading.Event(), threading.Event(), threading.Event()
    limiter = _make_limiter(settings)
    connections, pipeline, leases = _build(settings, limiter, name, stopping, out_of_time)
    with suppress(DatabaseDown, RedisDown):
        refuse_older_schema(connections.work)
        memory = CallMemory(settings.redis_url, settings.account)
        notice_restore(connections.work, memory, settings)
        memory.close()
    app = make_app(settings.redis_url, pipeline)

    def leave(**_: object) -> None:
        stopping.set()
        # Python goes on waiting after a signal, for whatever comes next; a handler cannot wake its own thread.
        threading.Thread(target=wake_loop, args=(worker.hub,), daemon=True).start()
        threading.Thread(target=_leave_in_time, args=(settings, out_of_time, stopped), daemon=True).start()

    # What it says when it is told to stop is no line of a log.
    celery_program.safe_say = _say_nothing
    worker_ready.connect(_spare_what_stays, weak=False)
    worker_shutting_down.connect(leave, weak=False)
    # Before anybody else asks the pool for one of the connections that are all opened here.
    _wake(limiter, connections)
    leases.start()
    worker = app.Worker(
        hostname=f"cleanplate@{name}",
        pool="threads",
        concurrency=settings.worker_concurrency,
        queues=[Lane.INTERACTIVE.value, Lane.BULK.value],
        without_gossip=True,
        without_mingle=True,
        task_events=True,
        heartbeat_interval=HEARTBEAT_SECONDS,
        loglevel=settings.log_level,
        redirect_stdouts=False,
        quiet=True,
    )
    serve_metrics(settings.metrics_host, settings.metrics_port)
    with (
        heart(connections.work, name, "worker"),
        telling_what_is_held(settings.redis_url, name, pipeline.list_claiming),
    ):
        worker.start()
        stopped.set()
    leases.close()
    tracing.stop()
    log.info("stopped")
    if worker.exitcode:
        raise SystemExit(worker.exitcode)


def wake_loop(hub: Hub | None) -> None:
    """Let Celery's loop look at once whether it is to end; from another thread than its own."""
    if hub is not None:
        hub.call_soon(_say_nothing)


def _make_limiter(settings: Settings) -> Limiter:
    client = Redis.from_url(
        settings.redis_url,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        max_connections=settings.worker_concurrency + SPARE_REDIS_CONNECTIONS,
    )
    return Limiter(client, settings.account, settings.removal_rate, settings.removal_burst)


def _say_nothing(*_: object) -> None:
    pass


def _spare_what_stays(**_: object) -> None:
    # A full garbage collection stops every thread until it has looked at each object there is: 90 ms, nearly all for
    # what the imports left, and no call leaves in its slot meanwhile.
    gc.collect()
    gc.freeze()


def _wake(limiter: Limiter, connections: Connections) -> None:
    """Do what is slow the first time, so that the first calls leave in their slots."""
    decoders.warm()
    try:
        log.info("connected to PostgreSQL", connections=connections.open_all())
    except SQLAlchemyError as error:
        log.warning("PostgreSQL takes no connections yet: %s", error)
    # A bucket nobody knows lets a second pass first; asking now hides that behind Celery's own start.
    try:
        limiter.settle(limiter.reserve(), Outcome.UNUSED)
    except LimiterUnavailable as error:
        log.warning("%s", error)


def _build(
    settings: Settings, limiter: Limiter, name: str, stopping: threading.Event, out_of_time: threading.Event
) -> tuple[Connections, Pipeline, LeaseKeeper]:
    connections = connect(settings.database_url, settings.worker_concurrency)
    engine = connections.work
    leases = LeaseKeeper(connections.leases, settings.lease_seconds)
    client = RemovalClient(
        settings.api_url,
        settings.account,
        settings.api_secret,
        provider=settings.removal_provider,
        trial=settings.removal_trial,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=settings.removal_timeout,
    )
    takes = client.provider
    tariff = tariff_of(settings)
    if tariff.daily_calls is not None:
        transact(engine, lambda connection: budgets.count_today(connection, settings.account), patience_seconds=60)
    writes = Writes(
        connections,
        worker=name,
        lease_seconds=settings.lease_seconds,
        account=settings.account,
        price=tariff.price,
    )
    lookers = _make_lookers(settings)
    screener = Screener(engine, lookers, sure_from=settings.screen_sure_from, stopping=stopping.is_set)
    tools = Equipment(
        engine=engine,
        writes=writes,
        caller=Caller(engine, writes, limiter, client, account=settings.account, worker=name, tariff=tariff),
        fetcher=Fetcher(
            timeout_seconds=settings.fetch_timeout,
            max_bytes=MAX_FETCH_BYTES,
            allow_private=settings.fetch_allow_private,
        ),
        finisher=Finisher(
            engine,
            open_store(settings.artifact_store, settings),
            paid=connections.paid,
            writes=writes,
            health=AccountHealth(
                settings.account,
                ProbeRules(settings.outage_probe_seconds, settings.outage_probe_cap_seconds),
                takes.kind_of,
            ),
            worker=name,
            out_of_time=out_of_time,
        ),
        leases=leases,
        screener=screener,
        prover=Prover(screener, lookers, sure_from=settings.screen_sure_from) if proves(settings) else None,
        rules=rules_from(settings),
        provider=settings.provider,
        kind_of=takes.kind_of,
        bounds=takes.bounds,
        takes_bytes=takes.takes_bytes,
        worker=name,
        lease_seconds=settings.lease_seconds,
        stopping=stopping,
        hold_unchanged_below=settings.hold_unchanged_below,
        hold_changed_above=settings.hold_changed_above,
        mask_order=settings.removal_mask_order,
        mask_origin=settings.removal_mask_origin,
    )
    return connections, Pipeline(tools), leases


def _make_lookers(settings: Settings) -> Lookers | None:
    if not can_look():
        return None
    return Lookers(
        # Imported by the first look, as the models are.
        lambda data: import_module("photos.findings.look").look(data),
        threads=LOOK_THREADS,
        places=max(LOOK_THREADS, settings.worker_concurrency // 4),
    )


def proves(settings: Settings) -> bool:
    """Whether outputs are held against their sources: unless told otherwise, where looking keeps pace with calls."""
    if settings.proof or not can_look():
        return settings.proof == "on"
    if settings.removal_rate <= PROVEN_PER_CORE * LOOK_THREADS:
        return True
    log.warning(
        "outputs are not looked at: they may come faster than this machine looks; PROOF=on looks, and holds up calls",
        rate=settings.removal_rate,
        cores=LOOK_THREADS,
    )
    return False


def _leave_in_time(settings: Settings, out_of_time: threading.Event, stopped: threading.Event) -> None:
    log.info("told to stop: calls in flight finish, the rest is handed back")
    # Celery waits without limit. Leases make it safe to go: what is cut off here is rescued as "maybe billed".
    if stopped.wait(settings.removal_timeout + LEAVE_SECONDS - 1.0):
        return
    out_of_time.set()
    if stopped.wait(1.0):
        return
    log.error("calls are still open after %s s; leaving them to their leases", settings.removal_timeout)
    sys.stderr.flush()
    os._exit(1)
