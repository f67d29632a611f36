"""The queries against a model of what they promise: whatever is done in whatever order, both stand alike."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, text

from core.errors import LeaseLost
from core.settings import OnMaybeBilled
from core.states import AnswerClass, JobState, Lane
from db import attempts, batches, budgets, canaries, cancels, jobs, queue, requeues, rescues, reviews, success
from db.attempts import AttemptResult, Spend
from db.budgets import Tariff
from db.jobs import ClaimedJob
from db.session import make_engine
from tests.db.rows import ACCOUNT, OUTPUT, keep_output
from worker.policy import MOST_LOST_IN_ROW, RetryRules, decide_lost

PRICE = Decimal("0.01")
RULES = RetryRules(4, 0, 0, OnMaybeBilled.RETRY)
PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
FAULT = AttemptResult(AnswerClass.PROVIDER_FAULT, "801", "", latency_seconds=0.0)
numbers = st.integers(0, 30)


@dataclass
class Job:
    """What the model knows of a job."""

    batch: "Batch"
    state: str = "pending"
    is_off: bool = False
    is_canary: bool = False
    attempts: int = 0
    lost: int = 0
    was_called: bool = False
    open: int | None = None


@dataclass
class Batch:
    """What the model knows of a batch."""

    state: str = "active"
    reason: str | None = None
    canary: str | None = None
    limit: int | None = None
    calls: int = 0
    cost: Decimal = Decimal(0)

    def pause(self, reason: str) -> None:
        if self.state == "active" or (reason == "hand" and self.state == "paused"):
            self.state, self.reason = "paused", reason

    @property
    def is_used_up(self) -> bool:
        return self.limit is not None and self.calls >= self.limit


class Model(RuleBasedStateMachine):
    """Jobs and batches in PostgreSQL, and what ought to be there."""

    engine: Engine

    @initialize()
    def begin(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("TRUNCATE batches, jobs, attempts, circuits, batch_counts, batch_count_changes"))
        self.batches: dict[int, Batch] = {}
        self.jobs: dict[int, Job] = {}
        self.leases: list[ClaimedJob] = []

    def those(self, batch: Batch, *states: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.batch is batch and job.state in states]

    def pick(self, number: int) -> tuple[int, Batch]:
        ids = sorted(self.batches)
        return ids[number % len(ids)], self.batches[ids[number % len(ids)]]

    @precondition(lambda self: len(self.batches) < 4)
    @rule(count=st.integers(1, 4), limit=st.sampled_from([None, None, 0, 1, 3]), has_canary=st.booleans())
    def hand_in(self, count: int, limit: int | None, has_canary: bool) -> None:
        with self.engine.begin() as connection:
            key = str(len(self.batches))
            batch_id = batches.create(connection, name="b", source_key=key, lane=Lane.BULK, options="{}")
            made = text(
                "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, elements, subject_elements) SELECT "
                ":batch, 'pending', 'file:///x', n::text, 'n', '{1}', '{1}' FROM generate_series(1, :n) AS n RETURNING id"
            )
            ids = list(connection.execute(made, {"batch": batch_id, "n": count}).scalars())
            budgets.set_limits(connection, batch_id, max_calls=limit, max_cost=None, is_new=True)
            if has_canary:
                canaries.choose(connection, batch_id, 1)
        batch = self.batches[batch_id] = Batch(limit=limit, canary="running" if has_canary and count > 1 else None)
        self.jobs |= {job_id: Job(batch) for job_id in ids}
        self.read_canaries()

    def read_canaries(self) -> None:
        """Which ones go first is theirs to choose."""
        with self.engine.connect() as connection:
            for row in connection.execute(text("SELECT id, is_canary FROM jobs")):
                self.jobs[row.id].is_canary = row.is_canary

    @rule()
    def dispatch(self) -> None:
        with self.engine.begin() as connection:
            queue.queue_due(connection, Lane.BULK, 100)
        for job in self.jobs.values():
            is_first = job.is_canary or job.batch.canary in {None, "passed"} or self.is_overridden(job.batch)
            if job.state == "pending" and job.batch.state == "active" and not job.is_off and is_first:
                job.state = "queued"

    @staticmethod
    def is_overridden(batch: Batch) -> bool:
        return batch.canary == "failed" and batch.state == "active"

    @precondition(lambda self: self.jobs)
    @rule(number=numbers, lost=st.booleans())
    def claim(self, number: int, lost: bool) -> None:
        queued = [job_id for job_id, job in self.jobs.items() if job.state == "queued"] or list(self.jobs)
        job_id = queued[number % len(queued)]
        job = self.jobs[job_id]
        with self.engine.begin() as connection:
            claimed = jobs.claim(connection, job_id, worker="w", lease_seconds=900)
            if claimed is not None and lost:
                # The message of a paused or rescued job may still come.
                assert jobs.claim(connection, job_id, worker="another", lease_seconds=900) is None
        assert (claimed is not None) == (job.state == "queued" and job.batch.state == "active" and not job.is_off)
        if claimed is not None:
            job.state = "running"
            self.leases.append(claimed)

    def holds(self, lease: ClaimedJob) -> bool:
        return self.jobs[lease.id].state == "running" and self.tokens()[lease.id] == lease.lease_token

    def tokens(self) -> dict[int, UUID | None]:
        with self.engine.connect() as connection:
            found = connection.execute(text("SELECT id, lease_token FROM jobs")).all()
        return {row.id: row.lease_token for row in found}

    @precondition(lambda self: self.leases)
    @rule(number=numbers)
    def open_call(self, number: int) -> None:
        lease = self.leases[number % len(self.leases)]
        job, batch = self.jobs[lease.id], self.jobs[lease.id].batch
        if job.open is not None and self.holds(lease):
            return
        may = self.holds(lease) and batch.state == "active" and not job.is_off
        with self.engine.begin() as connection:
            call = attempts.open_call(connection, lease, worker="w", account=ACCOUNT, tariff=Tariff(PRICE))
        if batch.is_used_up:
            may = False
            self.note_pause(batch, "budget")
        assert (call is not None) == may
        if call is not None:
            job.open, job.was_called = call, True
            batch.calls, batch.cost = batch.calls + 1, batch.cost + PRICE

    @precondition(lambda self: self.leases)
    @rule(number=numbers, how=st.sampled_from(["succeed", "die", "retry", "snooze", "hold"]))
    def end(self, number: int, how: str) -> None:
        """End what a worker has, or had: it may come late."""
        lease = self.leases.pop(number % len(self.leases))
        job = self.jobs[lease.id]
        is_held = self.holds(lease)
        spent = 1 if how in {"die", "retry"} else 0
        call = job.open if is_held else None
        if call is not None:
            with self.engine.begin() as connection:
                assert attempts.settle(connection, call, PAID if how in {"succeed", "hold"} else FAULT)
            job.open = None
            if how not in {"succeed", "hold"}:
                job.batch.cost -= PRICE
        try:
            with self.engine.begin() as connection:
                if how == "succeed":
                    success.succeed(connection, lease, artifact_sha256=OUTPUT)
                elif how in {"retry", "snooze"}:
                    jobs.give_back(connection, lease, delay_seconds=0, spent=spent)
                else:
                    jobs.stop(connection, lease, state="dead" if how == "die" else "held", code="1", message="", spent=spent)
        except LeaseLost:
            assert not is_held
            return
        assert is_held
        ended = {"succeed": "succeeded", "die": "dead", "hold": "held"}
        job.state = ended.get(how, "cancelled" if job.is_off else "pending")
        job.attempts += spent
        job.lost = 0

    @rule()
    def rescue(self) -> None:
        """All that is running is taken back; who had it comes late now."""
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'"))
            rescues.rescue(connection, partial(decide_lost, rules=RULES))
        for job in self.jobs.values():
            if job.state != "running":
                continue
            job.lost += 1
            job.state = "cancelled" if job.is_off else "pending"
            if job.open is not None:
                job.attempts += 1
                job.state = "dead" if job.attempts >= RULES.max_attempts else job.state
            elif job.lost >= MOST_LOST_IN_ROW:
                job.state = "dead"
            job.open = None

    @precondition(lambda self: self.batches)
    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        batch_id, batch = self.pick(number)
        with self.engine.begin() as connection:
            cancels.cancel(connection, batch_id)
        if batch.state in {"cancelled", "finished"}:
            return
        batch.state, batch.reason = "cancelled", None
        for job in self.those(batch, "pending", "queued"):
            job.state = "cancelled"
        for job in self.those(batch, *JobState):
            job.is_off = True

    @precondition(lambda self: self.batches)
    @rule(number=numbers)
    def pause(self, number: int) -> None:
        batch_id, batch = self.pick(number)
        with self.engine.begin() as connection:
            batches.pause(connection, batch_id, "hand")
        self.note_pause(batch, "hand")

    def note_pause(self, batch: Batch, reason: str) -> None:
        batch.pause(reason)
        for job in self.those(batch, "queued"):
            job.state = "pending"

    @precondition(lambda self: self.batches)
    @rule(number=numbers)
    def resume(self, number: int) -> None:
        batch_id, batch = self.pick(number)
        with self.engine.begin() as connection:
            batches.resume(connection, batch_id)
        if batch.state == "paused":
            batch.state, batch.reason = "active", None

    @precondition(lambda self: self.batches)
    @rule(number=numbers, state=st.sampled_from([JobState.DEAD, JobState.HELD, JobState.CANCELLED]))
    def requeue(self, number: int, state: JobState) -> None:
        batch_id, batch = self.pick(number)
        with self.engine.begin() as connection:
            count = requeues.requeue(connection, batch_id, state=state)
        chosen = self.those(batch, state.value)
        kept = [job for job in self.those(batch, "running") if job.is_off] if state is JobState.CANCELLED else []
        assert count == len(chosen) + len(kept)
        for job in chosen:
            job.state, job.attempts, job.lost = "pending", 0, 0
        for job in [*chosen, *kept]:
            job.is_off = False
        if count and batch.state in {"cancelled", "finished"}:
            batch.state = "active"

    @rule(number=numbers, accepts=st.booleans())
    def decide(self, number: int, accepts: bool) -> None:
        held = [job_id for job_id, job in self.jobs.items() if job.state == "held"]
        if not held:
            return
        job_id = held[number % len(held)]
        with self.engine.begin() as connection:
            (reviews.accept if accepts else reviews.reject)(connection, [job_id])
        # Without an output there is nothing to accept.
        self.jobs[job_id].state = "held" if accepts else "dead"

    @precondition(lambda self: self.batches)
    @rule(number=numbers, limit=st.integers(0, 8))
    def set_limit(self, number: int, limit: int) -> None:
        batch_id, batch = self.pick(number)
        with self.engine.begin() as connection:
            budgets.set_limits(connection, batch_id, max_calls=limit, max_cost=None)
        batch.limit = limit

    @rule()
    def go_round(self) -> None:
        """What the dispatcher does once a second."""
        with self.engine.begin() as connection:
            canaries.judge(connection, 0.5)
        for batch in self.batches.values():
            self.judge(batch)
        self.read_canaries()
        for work in (batches.finish_settled, cancels.cancel_stragglers):
            with self.engine.begin() as connection:
                work(connection)
        with self.engine.begin() as connection:
            budgets.resume_affordable(connection, ACCOUNT, Tariff(PRICE))
        for batch in self.batches.values():
            if batch.state == "active" and not self.those(batch, "pending", "queued", "running"):
                batch.state = "finished"
        for batch in self.batches.values():
            if batch.reason == "budget" and not batch.is_used_up:
                batch.state, batch.reason = "active", None

    def judge(self, batch: Batch) -> None:
        chosen = [job for job in self.those(batch, *JobState) if job.is_canary]
        if batch.canary != "running" or batch.state != "active":
            return
        if any(job.state in {"pending", "queued", "running"} for job in chosen):
            return
        called = [job for job in chosen if job.was_called and job.state != "cancelled"]
        bad, called_bad = (sum(job.state in {"dead", "held"} for job in some) for some in (chosen, called))
        is_good = bad <= len(chosen) / 2 and called_bad <= len(called) / 2
        if is_good and not called and any(job for job in self.those(batch, "pending") if not job.is_canary):
            return
        batch.canary = "passed" if is_good else "failed"
        if not is_good:
            self.note_pause(batch, "canary")

    @invariant()
    def both_stand_alike(self) -> None:
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT id, state, attempts FROM jobs")).all()
            found = connection.execute(text("SELECT id, state, pause_reason, canary_state FROM batches")).all()
        assert {row.id: (row.state, row.attempts) for row in rows} == {
            job_id: (job.state, job.attempts) for job_id, job in self.jobs.items()
        }
        assert {row.id: tuple(row)[1:] for row in found} == {
            batch_id: (batch.state, batch.reason, batch.canary) for batch_id, batch in self.batches.items()
        }

    @invariant()
    def counts_are_what_is_counted(self) -> None:
        with self.engine.connect() as connection:
            kept = connection.execute(KEPT).all()
            money = connection.execute(text("SELECT id, calls_made, cost_reserved FROM batches WHERE max_calls >= 0")).all()
            left_open = set(connection.execute(text("SELECT id FROM attempts WHERE answered_at IS NULL")).scalars())
        of = {id(batch): batch_id for batch_id, batch in self.batches.items()}
        assert {(row.batch_id, row.what): row.n for row in kept} == Counter(
            (of[id(job.batch)], job.state) for job in self.jobs.values()
        )
        assert {row.id: tuple(row)[1:] for row in money} == {
            batch_id: (batch.calls, batch.cost) for batch_id, batch in self.batches.items() if batch.limit is not None
        }
        assert left_open == {job.open for job in self.jobs.values() if job.open is not None}


KEPT = text(
    "SELECT batch_id, what, CAST(sum(n) AS int) AS n FROM (SELECT batch_id, what, n FROM batch_counts UNION ALL "
    "SELECT batch_id, what, n FROM batch_count_changes) AS each WHERE what = ANY(ARRAY["
    "'pending', 'queued', 'running', 'succeeded', 'dead', 'held', 'cancelled']) GROUP BY 1, 2 HAVING sum(n) <> 0"
)


@pytest.fixture
def model(database_url: str) -> Iterator[type[Model]]:
    engine = make_engine(database_url, pool_size=2)
    with engine.begin() as connection:
        keep_output(connection)
    yield type("ModelOnServer", (Model,), {"engine": engine})
    engine.dispose()


@pytest.mark.locks_anyhow
def test_whatever_is_done_the_rows_stand_as_the_model_says(model: type[Model]) -> None:
    run_state_machine_as_test(
        model,
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        ),
    )
