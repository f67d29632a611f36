"""The dispatcher: keeps just enough jobs in Redis, and takes back what got stuck.

Any number may run; a PostgreSQL advisory lock picks the one that works, and another takes over when its
connection ends.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from core import counted
from core.decision import Decision
from core.errors import DatabaseBusy, DatabaseDown, RedisDown
from core.states import AnswerClass, Lane
from db import (
    attempts,
    batches,
    budgets,
    call_rates,
    canaries,
    cancels,
    chores,
    circuits,
    costs,
    processes,
    queue,
    requeues,
    rescues,
    retention,
    tallies,
    wake,
)
from db.budgets import FREE, Tariff
from db.chores import Chores
from db.circuits import OpenCircuit
from db.plans import by_key
from db.rescues import Lapsed
from db.session import as_unavailable, describe_down, is_busy, is_down, transact
from producer import metrics
from producer.lost import LostMessages
from producer.publisher import Publisher
from producer.window import window_size

log = structlog.stdlib.get_logger(__name__)

TICK_SECONDS = 0.2
IDLE_TICK_SECONDS = 1.0
"""Between two rounds with work, and two questions whether there is any; a batch that becomes active ends both."""
BEHIND_TICK_SECONDS = 0.1
"""While there are rows to be cancelled or sent round again, a little in each round."""
PATROL_SECONDS = 1.0
STANDBY_SECONDS = 1.0
FORGET_SECONDS = 600.0
CLEAR_SECONDS = 10.0
SUMMING_SECONDS = 5.0
LOOK_BACK_SECONDS = 5.0
STUCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DispatcherOptions:
    """What the dispatcher needs to know.

    Args:
        account: The API account whose circuit is watched.
        rate: Configured calls per second of the fleet.
        lease_seconds: How long a worker's lease lasts.
        tariff: What a call costs and how many the account may make in a day.
        canary_max_bad: The share of a canary that may be dead or held.
        events_kept_days: How long webhooks and callbacks are kept.
        settled_after_seconds: How long a call may be without an answer.
    """

    account: str
    rate: float
    lease_seconds: float
    tariff: Tariff = FREE
    canary_max_bad: float = 0.2
    events_kept_days: float = 30.0
    settled_after_seconds: float = 90.0


class Dispatcher:
    """Runs until told to stop.

    Args:
        engine: The database.
        publisher: The broker.
        options: Rates and times.
        decide_lost: The policy for a job whose worker fell silent.
        look_back: Notices that the database went back to a backup; nothing is dispatched before it has looked.
    """

    def __init__(
        self,
        engine: Engine,
        publisher: Publisher,
        options: DispatcherOptions,
        decide_lost: Callable[[Lapsed], Decision],
        look_back: Callable[[], object] = lambda: None,
    ) -> None:
        self._engine = engine
        self._publisher = publisher
        self._options = options
        self._decide_lost = decide_lost
        self._look_back = look_back
        self._lost = LostMessages(engine, publisher)
        self._leading_since = 0.0
        self._next_patrol = 0.0
        self._next_forgetting = self._next_clearing = 0.0
        self._next_summing = self._next_look = 0.0
        self._turned_at = time.monotonic()
        self._leads = self._is_behind = self._had_work = False
        self._window = 0

    @property
    def is_leading(self) -> bool:
        """Whether it has the lead; one that was frozen has lost it, and does not know so for a moment."""
        return self._leads and time.monotonic() - self._turned_at < queue.LEADER_IDLE_SECONDS

    @property
    def is_well(self) -> bool:
        """Whether it still goes round; it does so, too, while it waits for a server or for its turn to lead."""
        return time.monotonic() - self._turned_at < STUCK_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Lead when no one else does, until `stop` is set; outages are waited out."""
        while not stop.is_set():
            self._turned_at = time.monotonic()
            try:
                with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    if queue.try_to_lead(connection):
                        # The lock belongs to the session, which must not go back to the pool with it; and who leads
                        # for days takes none of those that all others share.
                        connection.detach()
                        processes.clear_leaders(connection)
                        log.info("leading")
                        self._leads = True
                        try:
                            self._lead(connection, stop)
                        finally:
                            self._leads = False
            except DBAPIError as error:
                if not (is_down(error) or is_busy(error)):
                    raise
                log.warning("%s; dispatch goes on when it does", describe_down(error))
            except DatabaseDown as error:
                log.warning("%s", error)
            stop.wait(STANDBY_SECONDS)

    def _lead(self, leader: Connection, stop: threading.Event) -> None:
        self._leading_since = time.monotonic()
        self._next_patrol = self._next_look = 0.0
        self._lost.forget()
        wake.listen(leader)
        found = chores.ALL
        while not stop.is_set():
            try:
                found = self._turn(leader)
            except (RedisDown, DatabaseBusy) as error:
                # Neither ends this session, and with it the lead.
                log.warning("%s", error)
                stop.wait(STANDBY_SECONDS)
            wake.wait_for_work(leader, self._pause(has_work=found.has_work))

    def _turn(self, leader: Connection) -> Chores:
        try:
            # With nothing to do, one question for all that there may be, in place of one for each.
            found = chores.ALL if self._had_work and queue.go_on_leading(leader) else chores.find(leader)
        except DBAPIError as error:
            if is_busy(error):
                raise as_unavailable(error) from error
            raise
        self._turned_at = time.monotonic()
        self.tick(found)
        return found

    def _pause(self, *, has_work: bool) -> float:
        return BEHIND_TICK_SECONDS if self._is_behind else TICK_SECONDS if has_work else IDLE_TICK_SECONDS

    def tick(self, found: Chores = chores.ALL) -> None:
        """Do one round: fill the window of each lane and, once a second, look for what is stuck.

        Args:
            found: What there is to look at.
        """
        if time.monotonic() >= self._next_patrol or (found.has_work and not self._had_work):
            self._next_patrol = time.monotonic() + PATROL_SECONDS
            self._patrol(found)
        self._had_work = found.has_work
        open_circuit, due = transact(self._engine, self._mark_due) if found.has_work else (None, {})
        for lane, jobs in due.items():
            if jobs:
                self._publisher.publish([(job.id, job.dispatch) for job in jobs], lane)
                metrics.DISPATCHED.labels(lane.value).inc(len(jobs))
        if open_circuit is not None and open_circuit.probe_due:
            self._probe()
        if self._is_behind:
            self._write_rest()

    def _mark_due(self, connection: Connection) -> tuple[OpenCircuit | None, dict[Lane, list[queue.DueJob]]]:
        # In one transaction, as it is done five times a second, whether there is anything to do or not.
        by_key(connection)
        due: dict[Lane, list[queue.DueJob]] = {}
        open_circuit = circuits.find_open(connection, self._options.account)
        if open_circuit is not None:
            return open_circuit, due
        live = queue.count_live(connection)
        for lane in (Lane.INTERACTIVE, Lane.BULK):
            room = self._window - live.get(lane, 0)
            due[lane] = queue.queue_due(connection, lane, room) if room > 0 else []
        return None, due

    def _probe(self) -> None:
        probe = transact(self._engine, lambda connection: circuits.queue_probe(connection, self._options.account))
        if probe is not None:
            log.info("the circuit is open; a job asks whether it is over", job=probe[0])
            self._publisher.publish([probe], Lane.INTERACTIVE)

    def _measure_window(self, connection: Connection) -> int:
        by_key(connection)
        return window_size(self._options.rate, attempts.mean_latency_seconds(connection))

    def _patrol(self, found: Chores) -> None:
        if time.monotonic() >= self._next_look:
            self._look_back()
            self._next_look = time.monotonic() + LOOK_BACK_SECONDS
        if found.has_work:
            self._window = transact(self._engine, self._measure_window)
            for batch_id in transact(self._engine, batches.finish_settled):
                log.info("the batch is finished", batch=batch_id)
            self._judge_canaries()
        if found.has_rest:
            self._write_rest()
        if found.has_changes:
            transact(self._engine, tallies.fold)
            transact(self._engine, costs.fold)
        if found.has_paused:
            self._resume_affordable()
        if found.has_live:
            if time.monotonic() - self._leading_since >= self._options.lease_seconds / 2:
                self._rescue()
            self._lost.take_back()
        if time.monotonic() >= self._next_summing:
            self._next_summing = time.monotonic() + SUMMING_SECONDS
            settled = self._options.settled_after_seconds
            transact(self._engine, lambda connection: call_rates.record(connection, settled))
        if time.monotonic() >= self._next_clearing:
            self._next_clearing = time.monotonic() + CLEAR_SECONDS
            self._lost.clear_taken()
        if time.monotonic() >= self._next_forgetting:
            self._next_forgetting = time.monotonic() + FORGET_SECONDS
            days = self._options.events_kept_days
            transact(self._engine, lambda connection: retention.forget_old(connection, days))

    def _write_rest(self) -> None:
        # A little in each round until it is done, so that jobs are dispatched between.
        cancelled = transact(self._engine, cancels.cancel_stragglers)
        self._is_behind = transact(self._engine, requeues.go_on) or cancelled > 0

    def _judge_canaries(self) -> None:
        most_bad = self._options.canary_max_bad
        for verdict in transact(self._engine, lambda connection: canaries.judge(connection, most_bad)):
            end = "the rest follows" if verdict.is_good else "the batch is paused"
            log.info(
                f"{verdict.bad} of {verdict.total} canaries are bad, {verdict.called_bad} of the {verdict.called} that "
                f"were called; {end}",
                batch=verdict.batch_id,
            )

    def _resume_affordable(self) -> None:
        options = self._options
        for batch_id in transact(
            self._engine, lambda connection: budgets.resume_affordable(connection, options.account, options.tariff)
        ):
            log.info("the batch has budget again and goes on", batch=batch_id)

    def _rescue(self) -> None:
        # After an outage of PostgreSQL live workers need a moment to renew: hence only some time into leading.
        for job in transact(self._engine, lambda connection: rescues.rescue(connection, self._decide_lost)):
            metrics.RESCUES.labels(job.state).inc()
            counted.note_ending(job.lane, job.state, job.age_seconds)
            if job.attempt_id is not None:
                counted.note_call(AnswerClass.MAYBE_BILLED, rescues.LOST_CODE)
            # Its worker cannot tell how this execution ended.
            log.warning(
                "attempt",
                state=job.state,
                code=rescues.LOST_CODE,
                message="The worker fell silent.",
                batch=job.batch_id,
                job=job.id,
                lane=job.lane,
                attempt=job.attempt_id,
            )
