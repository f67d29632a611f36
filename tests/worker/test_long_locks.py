"""Whoever keeps a batch's row for long delays what would call for that batch, and nothing else."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Connection, text
from sqlalchemy.pool import QueuePool

from core.states import Lane
from db import budgets, queue, requeues
from producer.intake import BatchOptions
from removal.limiter import Outcome
from tests.worker.conftest import Bench, MakeBench
from worker.connections import Connections, connect

PATIENCE = 20.0


@pytest.fixture
def connections(database_url: str) -> Iterator[Connections]:
    made = connect(database_url, concurrency=2)
    yield made
    made.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        picture = Image.linear_gradient("L").resize((600, 520)).convert("RGB")
        picture.putpixel((number, 0), (255, 0, 0))
        picture.save(folder / f"{number}.png")
    return folder


class Stopped:
    """A call whose answer has come, and whose thread stands still before it writes it down."""

    def __init__(self, bench: Bench) -> None:
        client: Any = bench.pipeline._tools.caller._client
        self._real, self.has_answer, self.goes_on = client.send, threading.Event(), threading.Event()
        client.send = self._send

    def _send(self, *given: Any, **more: Any) -> Any:
        answer = self._real(*given, **more)
        if not self.has_answer.is_set():
            self.has_answer.set()
            assert self.goes_on.wait(PATIENCE)
        return answer


def queue_all(bench: Bench) -> list[int]:
    with bench.engine.begin() as connection:
        return [job.id for job in queue.queue_due(connection, Lane.BULK, 10)]


def lease_of(bench: Bench, job_id: int) -> datetime:
    with bench.engine.connect() as connection:
        found = connection.execute(text("SELECT lease_expires_at FROM jobs WHERE id = :id"), {"id": job_id})
        lease: datetime = found.scalar_one()
    return lease


def use_up_lease(bench: Bench, job_id: int) -> datetime:
    """Let half of a lease be over, and return when it ends."""
    with bench.engine.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET lease_expires_at = now() + interval '15 s' WHERE id = :id"), {"id": job_id}
        )
    return lease_of(bench, job_id)


def hold_as_requeue_does(connection: Connection) -> None:
    requeues.requeue(connection, 1)


def hold_as_a_first_limit_does(connection: Connection) -> None:
    budgets.set_limits(connection, 1, max_calls=50, max_cost=None)


@pytest.mark.parametrize("hold", [hold_as_requeue_does, hold_as_a_first_limit_does])
def test_leases_are_kept_and_paid_answers_written_while_others_wait_for_the_batch(
    make_bench: MakeBench, connections: Connections, photos: Path, hold: Any
) -> None:
    bench = make_bench(connections=connections)
    bench.submit(photos, BatchOptions(max_calls=50))
    first, *others = queue_all(bench)
    stopped = Stopped(bench)
    with ThreadPoolExecutor(5) as pool:
        calling = pool.submit(bench.pipeline.run, first)
        assert stopped.has_answer.wait(PATIENCE)
        with bench.engine.begin() as connection:
            hold(connection)
            waiting = [pool.submit(bench.pipeline.run, job_id) for job_id in others]
            before = use_up_lease(bench, first)
            bench.leases.renew()
            assert lease_of(bench, first) > before
            stopped.goes_on.set()
            assert calling.result(PATIENCE).state == "succeeded"
            assert [each.result(PATIENCE).state for each in waiting] == ["pending"] * 4
    assert [row["snoozes"] for row in bench.rows("SELECT snoozes FROM jobs ORDER BY id")] == [0, 1, 1, 1, 1]
    assert len(bench.attempts()) == 1
    assert bench.rows("SELECT calls_made FROM batches") == [{"calls_made": 1}]
    assert [ending.state for ending in bench.run_out()] == ["succeeded"] * 4
    assert bench.rows("SELECT calls_made FROM batches") == [{"calls_made": 5}]


def test_leases_are_kept_and_paid_answers_written_though_all_other_connections_are_taken(
    make_bench: MakeBench, connections: Connections, photos: Path
) -> None:
    bench = make_bench(connections=connections)
    bench.submit(photos)
    first, *_ = queue_all(bench)
    stopped = Stopped(bench)
    others = connections.work.pool
    assert isinstance(others, QueuePool)
    with ThreadPoolExecutor(1) as pool, ExitStack() as taken:
        calling = pool.submit(bench.pipeline.run, first)
        assert stopped.has_answer.wait(PATIENCE)
        for _ in range(others.size()):
            taken.enter_context(connections.work.connect())
        before = use_up_lease(bench, first)
        bench.leases.renew()
        assert lease_of(bench, first) > before
        stopped.goes_on.set()
        assert calling.result(PATIENCE).state == "succeeded"


def test_a_call_that_waits_too_long_for_its_batch_gives_its_place_to_others(
    make_bench: MakeBench, connections: Connections, photos: Path
) -> None:
    bench = make_bench(connections=connections)
    bench.submit(photos, BatchOptions(max_calls=50))
    first, *_ = queue_all(bench)
    limiter = bench.pipeline._tools.caller._limiter
    before = limiter.reserve()
    limiter.settle(before, Outcome.UNUSED)
    with bench.engine.begin() as connection:
        hold_as_requeue_does(connection)
        assert bench.pipeline.run(first).state == "pending"
    assert limiter.reserve().number == before.number
    assert bench.attempts() == []
