"""What happens between an attempt's row and its slot: whatever may have changed by then is asked again."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.states import Lane
from db import batches, cancels, circuits, queue
from producer.intake import BatchOptions
from removal.limiter import Limiter, LimiterUnavailable, Outcome
from tests.db.rows import rescue
from tests.worker.conftest import Bench, MakeBench
from worker import call

BAN_SECONDS = 1.0


Act = Callable[[Bench], None]


def nothing(_: Bench) -> None:
    pass


class Meanwhile:
    """Lets things happen right after an attempt was opened, at its gate, and while its slot is waited for anew."""

    def __init__(self, bench: Bench, opened: Act, *, at_the_gate: Act = nothing, waits: Act = nothing) -> None:
        self._bench = bench
        self._acts = {"_open": (1, opened), "wait_until_due": (1, at_the_gate), "sleep_until": (2, waits)}
        self.times = dict.fromkeys(self._acts, 0)
        worker: Any = bench.pipeline._tools.caller
        self._watch(worker, "_open", acts_after=True)
        for name in ("wait_until_due", "sleep_until"):
            self._watch(worker._limiter, name, acts_after=False)

    def _watch(self, whose: Any, name: str, *, acts_after: bool) -> None:
        real = getattr(whose, name)
        time, act = self._acts[name]

        def watched(*given: Any, **more: Any) -> Any:
            self.times[name] += 1
            is_now = self.times[name] == time
            if is_now and not acts_after:
                act(self._bench)
            found = real(*given, **more)
            if is_now and acts_after:
                act(self._bench)
            return found

        setattr(whose, name, watched)


def close_bucket(bench: Bench) -> None:
    """Close the bucket as the throttled call of another thread does."""
    limiter: Limiter = bench.pipeline._tools.caller._limiter
    limiter.settle(limiter.reserve(), Outcome.THROTTLED, ban_seconds=BAN_SECONDS)


def queue_one(bench: Bench) -> int:
    with bench.engine.begin() as connection:
        [job] = queue.queue_due(connection, Lane.BULK, 10)
    return job.id


def pause(bench: Bench) -> None:
    with bench.engine.begin() as connection:
        batches.pause(connection, 1, "hand")


def cancel(bench: Bench) -> None:
    with bench.engine.begin() as connection:
        cancels.cancel(connection, 1)


def open_circuit(bench: Bench) -> None:
    with bench.engine.begin() as connection:
        circuits.trip(connection, "test", reason="account", code="NoResource", message="no")


@pytest.mark.parametrize(("change", "state"), [(pause, "pending"), (cancel, "cancelled"), (open_circuit, "pending")])
def test_what_changed_while_the_bucket_was_closed_is_seen_before_the_call(
    make_bench: MakeBench, photo: Path, change: Act, state: str
) -> None:
    bench = make_bench()
    bench.submit(photo)
    seen = Meanwhile(bench, close_bucket, waits=change)
    assert bench.pipeline.run(queue_one(bench)).state == state
    assert seen.times["sleep_until"] == 2
    assert bench.sandbox.stats()["received"] == 0
    assert bench.attempts() == []


def test_no_attempt_and_no_budget_is_held_while_the_bucket_is_closed(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo, BatchOptions(max_calls=5))
    reserved: list[Any] = []

    def look(_: Bench) -> None:
        reserved.append((len(bench.attempts()), bench.rows("SELECT calls_made FROM batches")[0]["calls_made"]))

    def look_and_be_patient(_: Bench) -> None:
        look(bench)
        # A slow machine would have to ask a third time.
        monkeypatch.setattr(call, "MOST_AHEAD_SECONDS", 10.0)

    seen = Meanwhile(bench, close_bucket, at_the_gate=look, waits=look_and_be_patient)
    assert bench.pipeline.run(queue_one(bench)).state == "succeeded"
    assert reserved == [(1, 1), (0, 0)]
    assert (seen.times["_open"], len(bench.attempts())) == (2, 1)
    assert bench.rows("SELECT calls_made FROM batches") == [{"calls_made": 1}]
    assert bench.attempts()[0]["permit_wait_seconds"] >= BAN_SECONDS * 0.9


def test_an_idle_connection_that_was_hung_up_meanwhile_is_not_called_through(
    make_bench: MakeBench, photo: Path
) -> None:
    bench = make_bench()
    bench.submit(photo)
    Meanwhile(bench, close_bucket, at_the_gate=lambda _: bench.sandbox._listener.hang_up_all())
    assert bench.pipeline.run(queue_one(bench)).state == "succeeded"
    assert [row["code"] for row in bench.attempts()] == ["200"]


def test_a_worker_that_is_frozen_before_its_slot_and_rescued_calls_no_more(make_bench: MakeBench, photo: Path) -> None:
    bench, other = make_bench(), make_bench()
    bench.submit(photo)
    frozen, thaws = threading.Event(), threading.Event()

    def freeze(_: Bench) -> None:
        frozen.set()
        assert thaws.wait(60)
        # The freeze itself: no lease lapses sooner.
        time.sleep(call.MOST_AHEAD_SECONDS)

    Meanwhile(bench, nothing, at_the_gate=freeze)
    endings: list[Any] = []
    thread = threading.Thread(
        target=lambda job_id: endings.append(bench.pipeline.run(job_id)), args=(queue_one(bench),)
    )
    thread.start()
    assert frozen.wait(60)
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s'"))
        assert [each.state for each in rescue(connection)] == ["pending"]
    assert [ending.state for ending in other.run_out()] == ["succeeded"]
    thaws.set()
    thread.join(60)
    assert [ending.state for ending in endings] == ["gone"]
    assert bench.sandbox.stats()["received"] == 1


def test_a_thread_that_was_held_up_long_asks_again(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)
    monkeypatch.setattr(call, "MOST_AHEAD_SECONDS", 0.0)
    seen = Meanwhile(bench, nothing, waits=lambda _: monkeypatch.setattr(call, "MOST_AHEAD_SECONDS", 10.0))
    assert bench.pipeline.run(queue_one(bench)).state == "succeeded"
    assert (seen.times["_open"], len(bench.attempts())) == (2, 1)


def test_a_call_that_redis_may_take_for_made_keeps_its_row(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or what is remembered of it would look like a call that the database lost."""
    bench = make_bench()

    def go_silent(*_: object, **__: object) -> None:
        raise LimiterUnavailable("Redis does not answer")

    bench.submit(photo, BatchOptions(max_calls=1))
    with monkeypatch.context() as patch:
        patch.setattr(Limiter, "wait_until_due", go_silent)
        bench.run_due()
    [attempt] = bench.attempts()
    assert (attempt["code"], attempt["sent_at"], attempt["spend"], attempt["counted"]) == (
        "not_sent",
        None,
        "none",
        False,
    )
    assert bench.job()["state"] == "pending"
    assert bench.rows("SELECT calls_made FROM batches") == [{"calls_made": 0}]
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
