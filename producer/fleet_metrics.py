"""What holds for the whole fleet, read from PostgreSQL and Redis when Prometheus asks: `max()` over who shows it."""

import threading
import time
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine

from core.settings import Settings
from db import attempts, budgets, call_rates, canaries, circuits, overview, processes
from db.session import transact
from producer.server_reading import ServerReading
from producer.window import window_size
from removal.limiter.view import LimiterView, look

KEPT_SECONDS = 2.0
READ_SECONDS = 4.0
"""Prometheus gives up after ten, and what a process counts itself is to be had even when PostgreSQL hangs."""
ROLES = ("dispatcher", "web", "worker")
PAUSE_REASONS = ("hand", budgets.PAUSE_REASON, canaries.PAUSE_REASON)


class FleetCollector(Collector):
    """Reads the fleet's state, once in two seconds at most.

    Args:
        engine: The database.
        settings: Whose account, what quota.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._lock = threading.Lock()
        self._redis = ServerReading("Redis", self._look_at_redis)
        self._postgres = ServerReading("PostgreSQL", self._look_at_postgres)
        self._newest: list[Metric] = []
        self._read_at = float("-inf")

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering this asks no server."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric; none of those of a server that does not answer, whatever the reason."""
        with self._lock:
            if time.monotonic() - self._read_at > KEPT_SECONDS:
                self._newest = self._look()
                self._read_at = time.monotonic()
            newest = self._newest
        yield from newest

    def _look(self) -> list[Metric]:
        until = time.monotonic() + READ_SECONDS
        for reading in (self._redis, self._postgres):
            reading.begin()
        limiter, fleet = self._redis.end(until), self._postgres.end(until)
        return [
            *(self._limiter(None, answers=False) if limiter is None else limiter),
            _gauge("cleanplate_postgres_up", "1 when the fleet's state can be read", float(fleet is not None)),
            *(fleet or []),
        ]

    def _look_at_redis(self) -> list[Metric]:
        return self._limiter(look(self._settings.redis_url, self._settings.account), answers=True)

    def _look_at_postgres(self) -> list[Metric]:
        return transact(self._engine, self._read)

    def _read(self, connection: Connection) -> list[Metric]:
        return [
            *self._lanes(connection),
            *self._circuit(connection),
            *self._money(connection),
            self._paused(connection),
            *self._processes(connection),
        ]

    def _lanes(self, connection: Connection) -> list[Metric]:
        jobs = GaugeMetricFamily(
            "cleanplate_jobs",
            "Photos of active batches that wait in PostgreSQL (pending), in Redis (queued), or run",
            labels=["lane", "state"],
        )
        oldest = GaugeMetricFamily(
            "cleanplate_oldest_pending_seconds",
            "How long the photo has been due that was due first of those no worker has; 0 when none is",
            labels=["lane"],
        )
        for lane in overview.look_at_lanes(connection):
            for state in ("pending", "queued", "running"):
                jobs.add_metric([lane.lane, state], getattr(lane, state))
            oldest.add_metric([lane.lane], lane.oldest_seconds or 0.0)
        latency = attempts.mean_latency_seconds(connection)
        window = _gauge(
            "cleanplate_window_jobs",
            "How many photos of a lane may be in Redis or running",
            window_size(self._settings.removal_rate, latency),
        )
        return [
            jobs,
            oldest,
            window,
            _gauge("cleanplate_held_jobs", "Photos that wait for a person", overview.count_held(connection)),
        ]

    def _limiter(self, limiter: LimiterView | None, *, answers: bool) -> list[Metric]:
        rate = GaugeMetricFamily(
            "cleanplate_limiter_calls_per_second",
            "The quota that is configured, and the rate that was learned",
            labels=["rate"],
        )
        configured = self._settings.removal_rate
        rate.add_metric(["configured"], configured)
        redis = _gauge("cleanplate_redis_up", "1 when Redis answers; nobody may call without it", float(answers))
        if not answers:
            return [rate, redis]
        rate.add_metric(["learned"], limiter.learned_rate if limiter else configured)
        return [
            rate,
            redis,
            _gauge(
                "cleanplate_limiter_closed_seconds",
                "For how long nobody may call after a throttle",
                limiter.closed_for_seconds if limiter else 0.0,
            ),
            _gauge(
                "cleanplate_limiter_reserved_seconds",
                "How far ahead slots are promised",
                limiter.reserved_ahead_seconds if limiter else 0.0,
            ),
        ]

    def _circuit(self, connection: Connection) -> list[Metric]:
        found = circuits.find_open(connection, self._settings.account)
        circuit = GaugeMetricFamily("cleanplate_circuit_open", "1 while nobody calls, by reason", labels=["reason"])
        for reason in ("account", "outage"):
            circuit.add_metric([reason], float(found is not None and found.reason == reason))
        return [circuit]

    def _money(self, connection: Connection) -> list[Metric]:
        sent, limit = call_rates.sent_today(connection), self._settings.removal_daily_calls
        cost = GaugeMetricFamily(
            "cleanplate_cost_today",
            "Of today's calls (UTC) that were or may have been billed, in the currency of REMOVAL_PRICE",
            labels=["currency"],
        )
        cost.add_metric([self._settings.removal_currency], float(overview.cost_today(connection)))
        found = [
            _gauge("cleanplate_calls_today", "Calls sent today (UTC), of all accounts", sent),
            cost,
            _gauge(
                "cleanplate_batch_budget_left_ratio",
                "Of the batch that is nearest to a limit it will reach, or has reached; 1 when none will",
                budgets.smallest_share_left(connection, self._settings.removal_price),
            ),
        ]
        if limit is not None:
            left = max(0, limit - budgets.used_today(connection, self._settings.account))
            found += [
                _gauge("cleanplate_daily_calls_limit", "REMOVAL_DAILY_CALLS", limit),
                _gauge("cleanplate_daily_calls_left", "Calls that it leaves the account for today (UTC)", left),
            ]
        return found

    def _paused(self, connection: Connection) -> Metric:
        paused = GaugeMetricFamily(
            "cleanplate_paused_batches", "Batches that stand still, by reason", labels=["reason"]
        )
        found = {each.reason: each.count for each in overview.look_at_paused(connection)}
        for reason, count in (dict.fromkeys(PAUSE_REASONS, 0) | found).items():
            paused.add_metric([reason], count)
        return paused

    def _processes(self, connection: Connection) -> list[Metric]:
        alive = [process for process in processes.list_recent(connection) if process.is_alive]
        running = GaugeMetricFamily("cleanplate_processes", "Processes that are alive", labels=["role"])
        for role in ROLES:
            running.add_metric([role], sum(process.role == role for process in alive))
        leaders = sum(process.is_leader for process in alive)
        return [running, _gauge("cleanplate_dispatcher_leaders", "Dispatchers that lead; one is right", leaders)]


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(name, told, value=value)
