"""A model of what the queries promise, of a few lines each, beside the rows that they write."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from uuid import UUID

from sqlalchemy import Engine, text

from core.errors import LeaseLost
from core.settings import OnMaybeBilled
from core.states import AnswerClass, JobState, Lane, Spend
from db import attempts, batches, budgets, canaries, cancels, jobs, queue, requeues, rescues, reviews, success
from db.attempts import AttemptResult
from db.budgets import Tariff
from db.jobs import ClaimedJob
from db.live import STATE
from tests.db.rows import ACCOUNT, OUTPUT
from worker.policy import MOST_LOST_IN_ROW, RetryRules, decide_lost

PRICE = Decimal("0.01")
RULES = RetryRules(4, 0, 0, OnMaybeBilled.RETRY)
PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
FAULT = AttemptResult(AnswerClass.PROVIDER_FAULT, "801", "", latency_seconds=0.0)
MOST_BATCHES = 5
REQUEUED = (JobState.DEAD, JobState.HELD, JobState.CANCELLED)


@dataclass
class ExpectedJob:
    """What the model knows of a job."""

    batch: "ExpectedBatch"
    state: str = "pending"
    is_off: bool = False
    is_canary: bool = False
    attempts: int = 0
    lost: int = 0
    was_called: bool = False
    open: int | None = None


@dataclass
class ExpectedBatch:
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


class Model:
    """Jobs and batches in PostgreSQL, and what ought to be there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with engine.begin() as connection:
            connection.execute(
                text("TRUNCATE batches, catalogues, jobs, attempts, circuits, batch_counts, batch_count_changes")
            )
        self.batches: dict[int, ExpectedBatch] = {}
        self.jobs: dict[int, ExpectedJob] = {}
        self.leases: list[ClaimedJob] = []

    def those(self, batch: ExpectedBatch, *states: str) -> list[ExpectedJob]:
        return [job for job in self.jobs.values() if job.batch is batch and job.state in states]

    def pick(self, number: int) -> tuple[int, ExpectedBatch]:
        ids = sorted(self.batches)
        return ids[number % len(ids)], self.batches[ids[number % len(ids)]]

    def hand_in(self, number: int) -> None:
        if len(self.batches) == MOST_BATCHES:
            return
        count, limit, has_canary = 1 + number % 4, (None, None, 0, 1, 3)[number % 5], number % 2 == 0
        with self.engine.begin() as connection:
            key = str(len(self.batches))
            batch_id = batches.create(connection, name="b", source_key=key, lane=Lane.BULK, options="{}")
            made = text(
                "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, elements, subject_elements) SELECT "
                ":batch, 'pending', 'file:///x', n::text, 'n', '{1}', '{1}' FROM generate_series(1, :n) AS n "
                "RETURNING id"
            )
            ids = list(connection.execute(made, {"batch": batch_id, "n": count}).scalars())
            budgets.set_limits(connection, batch_id, max_calls=limit, max_cost=None, is_new=True)
            if has_canary:
                canaries.choose(connection, batch_id, 1)
        batch = self.batches[batch_id] = ExpectedBatch(
            limit=limit, canary="running" if has_canary and count > 1 else None
        )
        self.jobs |= {job_id: ExpectedJob(batch) for job_id in ids}
        self.read_canaries()

    def read_canaries(self) -> None:
        """Which ones go first is theirs to choose."""
        with self.engine.connect() as connection:
            for row in connection.execute(text("SELECT id, is_canary FROM jobs")):
                self.jobs[row.id].is_canary = row.is_canary

    def dispatch(self, _number: int) -> None:
        with self.engine.begin() as connection:
            queue.queue_due(connection, Lane.BULK, 100)
        for job in self.jobs.values():
            is_first = job.is_canary or job.batch.canary in {None, "passed"} or self.is_overridden(job.batch)
            if job.state == "pending" and job.batch.state == "active" and not job.is_off and is_first:
                job.state = "queued"

    @staticmethod
    def is_overridden(batch: ExpectedBatch) -> bool:
        return batch.canary == "failed" and batch.state == "active"

    def claim(self, number: int) -> None:
        queued = [job_id for job_id, job in self.jobs.items() if job.state == "queued"] or list(self.jobs)
        job_id = queued[number % len(queued)]
        job = self.jobs[job_id]
        with self.engine.begin() as connection:
            claimed = jobs.claim(connection, job_id, worker="w", lease_seconds=900)
            if claimed is not None and number % 2:
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

    def open_call(self, number: int) -> None:
        if not self.leases:
            return
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

    def end(self, number: int, how: str) -> None:
        """End what a worker has, or had: it may come late."""
        if not self.leases:
            return
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
                    jobs.stop(
                        connection, lease, state="dead" if how == "die" else "held", code="1", message="", spent=spent
                    )
        except LeaseLost:
            assert not is_held
            return
        assert is_held
        ended = {"succeed": "succeeded", "die": "dead", "hold": "held"}
        job.state = ended.get(how, "cancelled" if job.is_off else "pending")
        job.attempts += 1 if how == "succeed" else spent
        job.lost = 0

    def rescue(self, _number: int) -> None:
        """All that is running is taken back; who had it comes late now."""
        with self.engine.begin() as connection:
            connection.execute(
                text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'")
            )
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

    def pause(self, number: int) -> None:
        batch_id, batch = self.pick(number)
        with self.engine.begin() as connection:
            batches.pause(connection, batch_id, "hand")
        self.note_pause(batch, "hand")

    def note_pause(self, batch: ExpectedBatch, reason: str) -> None:
        batch.pause(reason)
        for job in self.those(batch, "queued"):
            job.state = "pending"

    def resume(self, number: int) -> None:
        batch_id, batch = self.pick(number)
        with self.engine.begin() as connection:
            batches.resume(connection, batch_id)
        if batch.state == "paused":
            batch.state, batch.reason = "active", None

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

    def decide(self, number: int) -> None:
        accepts = number % 2 == 0
        held = [job_id for job_id, job in self.jobs.items() if job.state == "held"]
        if not held:
            return
        job_id = held[number % len(held)]
        with self.engine.begin() as connection:
            (reviews.accept if accepts else reviews.reject)(connection, [job_id])
        # Without an output there is nothing to accept.
        self.jobs[job_id].state = "held" if accepts else "dead"

    def set_limit(self, number: int) -> None:
        batch_id, batch = self.pick(number)
        limit = number % 9
        with self.engine.begin() as connection:
            budgets.set_limits(connection, batch_id, max_calls=limit, max_cost=None)
        batch.limit = limit

    def go_round(self, _number: int) -> None:
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

    def judge(self, batch: ExpectedBatch) -> None:
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

    def both_stand_alike(self) -> None:
        with self.engine.connect() as connection:
            rows = connection.execute(text(f"SELECT id, {STATE} AS state, attempts FROM jobs AS j")).all()
            found = connection.execute(text("SELECT id, state, pause_reason, canary_state FROM batches")).all()
        assert {row.id: (row.state, row.attempts) for row in rows} == {
            job_id: (job.state, job.attempts) for job_id, job in self.jobs.items()
        }
        assert {row.id: tuple(row)[1:] for row in found} == {
            batch_id: (batch.state, batch.reason, batch.canary) for batch_id, batch in self.batches.items()
        }

    def counts_are_what_is_counted(self) -> None:
        with self.engine.connect() as connection:
            kept = connection.execute(KEPT).all()
            money = connection.execute(
                text("SELECT id, calls_made, cost_reserved FROM batches WHERE max_calls >= 0")
            ).all()
            left_open = set(connection.execute(text("SELECT id FROM attempts WHERE answered_at IS NULL")).scalars())
        of = {id(batch): batch_id for batch_id, batch in self.batches.items()}
        assert {(row.batch_id, row.what): row.n for row in kept} == Counter(
            (of[id(job.batch)], job.state) for job in self.jobs.values()
        )
        assert {row.id: tuple(row)[1:] for row in money} == {
            batch_id: (batch.calls, batch.cost) for batch_id, batch in self.batches.items() if batch.limit is not None
        }
        assert left_open == {job.open for job in self.jobs.values() if job.open is not None}


LAPSE = text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'")
MONEY = text("SELECT id, calls_made, cost_reserved FROM batches WHERE max_calls IS NOT NULL")
KEPT = text(
    "SELECT batch_id, what, CAST(sum(n) AS int) AS n FROM (SELECT batch_id, what, n FROM batch_counts UNION ALL "
    "SELECT batch_id, what, n FROM batch_count_changes) AS each WHERE what = ANY(ARRAY["
    "'pending', 'queued', 'running', 'succeeded', 'dead', 'held', 'cancelled']) GROUP BY 1, 2 HAVING sum(n) <> 0"
)
