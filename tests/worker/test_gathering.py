"""Who waits for whom before a group is written; that what waits together is one statement of one transaction."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from math import inf
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine

from core.states import AnswerClass, Lane, Spend
from db.attempts import AttemptResult
from db.jobs import Changed, ClaimedJob
from db.paid import Paid
from db.success import Clean
from db.twins import Noted
from tests.db.rows import ACCOUNT, claim, make_batch
from tests.db.sent import statements
from worker import group_commit
from worker.connections import Connections
from worker.group_commit import MOST_AT_ONCE, GroupCommit
from worker.writes import Writes

LONG_SECONDS = 60.0
"""Nobody waits so long for others in here; whoever did would end the test."""

PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
T = TypeVar("T")


@pytest.fixture(autouse=True)
def close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all writes come close upon each other, however slow the machine is."""
    monkeypatch.setattr(group_commit, "CLOSE_SECONDS", inf)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MOST_AT_ONCE + 1) as threads:
        yield threads


def let_wait(group: GroupCommit[Any, Any]) -> None:
    """Let a group wait for others, as after one that was written just now, for longer than a test lasts."""
    group._gather_seconds, group._written_at = LONG_SECONDS, 0.0


class Doubles:
    """Answers each number with its double and keeps who went together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    def __call__(self, _connection: Connection, items: Sequence[int]) -> list[int | None]:
        self.groups.append(list(items))
        return [2 * item for item in items]


def wait_together(
    pool: ThreadPoolExecutor, group: GroupCommit[Any, Any], work: Sequence[Callable[[], T]]
) -> list[Future[T]]:
    """Begin one after the other, each once all before wait."""
    begun: list[Future[T]] = []
    for place, each in enumerate(work, start=1):
        begun.append(pool.submit(each))
        while len(group._waiting) < place:
            assert not any(one.done() for one in begun), begun
    return begun


def test_those_that_come_while_one_waits_for_others_go_with_it(engine: Engine, pool: ThreadPoolExecutor) -> None:
    work = Doubles()
    group = GroupCommit(engine, work)
    let_wait(group)
    waiting = wait_together(pool, group, [partial(group.ask, number) for number in (1, 2, 3)])
    assert work.groups == []
    assert group.ask(4, is_urgent=True) == 8
    assert [each.result(LONG_SECONDS / 2) for each in waiting] == [2, 4, 6]
    assert work.groups == [[1, 2, 3, 4]]


def test_one_that_somebody_waits_for_waits_for_nobody(engine: Engine) -> None:
    work = Doubles()
    group = GroupCommit(engine, work)
    let_wait(group)
    assert [group.ask(number, is_urgent=True) for number in (1, 2)] == [2, 4]
    assert work.groups == [[1], [2]]


def test_a_group_that_is_full_waits_for_nobody_else(engine: Engine, pool: ThreadPoolExecutor) -> None:
    work = Doubles()
    group = GroupCommit(engine, work)
    let_wait(group)
    numbers = range(MOST_AT_ONCE)
    waiting = wait_together(pool, group, [partial(group.ask, number) for number in numbers[:-1]])
    assert group.ask(numbers[-1]) == 2 * numbers[-1]
    assert [each.result(LONG_SECONDS / 2) for each in waiting] == [2 * number for number in numbers[:-1]]
    assert work.groups == [list(numbers)]


def test_whom_a_group_has_no_place_for_waits_for_nobody_either_when_somebody_waits_for_it(
    engine: Engine, pool: ThreadPoolExecutor
) -> None:
    work = Doubles()
    group = GroupCommit(engine, work, key=lambda number: number % 2)
    let_wait(group)
    [first] = wait_together(pool, group, [partial(group.ask, 1)])
    assert group.ask(3, is_urgent=True) == 6
    assert first.result(LONG_SECONDS / 2) == 2
    assert work.groups == [[1], [3]]


def test_one_waits_for_others_again_once_an_urgent_one_is_written(engine: Engine, pool: ThreadPoolExecutor) -> None:
    work = Doubles()
    group = GroupCommit(engine, work)
    let_wait(group)
    assert group.ask(1, is_urgent=True) == 2
    [waiting] = wait_together(pool, group, [partial(group.ask, 2)])
    assert group.ask(3, is_urgent=True) == 6
    assert waiting.result(LONG_SECONDS / 2) == 4
    assert work.groups == [[1], [2, 3]]


def test_each_step_of_many_jobs_that_waits_together_is_one_statement(engine: Engine, pool: ThreadPoolExecutor) -> None:
    writes = Writes(
        Connections(engine, engine, engine), worker="w", lease_seconds=30, account=ACCOUNT, price=Decimal("0.05")
    )
    count = 5

    def together(group: GroupCommit[Any, Any], work: Sequence[Callable[[], T | None]]) -> list[T]:
        """Begin all; return what came of them once it is seen that it was one statement."""
        let_wait(group)
        with statements(engine) as sent:
            begun = wait_together(pool, group, work)
            assert sent == []
            with group._lock:
                group._is_due.set()
            found = [each.result(LONG_SECONDS / 2) for each in begun]
        assert len(sent) == 1, sent
        assert None not in found
        return [each for each in found if each is not None]

    ids = make_batch(engine, count, queued=True)
    jobs = together(writes._claims, [partial(writes.claim, job_id, uuid4()) for job_id in ids])
    assert [job.id for job in jobs] == ids
    together(writes._notes, [partial(writes.note, noted(job)) for job in jobs])
    opened = together(writes._opens, [partial(writes.open, job) for job in jobs])
    calls = [(job, each.attempt_id) for job, each in zip(jobs, opened, strict=True)]
    answers = [Paid(job, attempt_id, PAID, f"http://out/{job.id}") for job, attempt_id in calls]
    assert all(together(writes._paid, [partial(writes.note_paid, answer) for answer in answers]))
    outputs = [clean(job, attempt_id) for job, attempt_id in calls]
    assert all(together(writes._ends, [partial(writes.succeed, output) for output in outputs]))


def noted(job: ClaimedJob) -> Noted:
    return Noted(job, f"s{job.id}", f"k{job.id}", 1, 600, 600)


def clean(job: ClaimedJob, attempt_id: int) -> Clean:
    return Clean(job, attempt_id, f"{job.id:x}", b"bytes", f"file:///{job.id}", "JPEG", 1, 1, Changed(0.1), 5)


def test_a_job_that_somebody_waits_for_waits_for_no_others(engine: Engine, pool: ThreadPoolExecutor) -> None:
    writes = Writes(
        Connections(engine, engine, engine), worker="w", lease_seconds=30, account=ACCOUNT, price=Decimal("0.05")
    )
    every: list[GroupCommit[Any, Any]] = [writes._notes, writes._opens, writes._paid, writes._ends]
    for group in every:
        let_wait(group)
    [job_id] = make_batch(engine, 1, lane=Lane.INTERACTIVE, queued=True)
    job = claim(engine, job_id)
    assert job is not None

    def run() -> bool:
        assert writes.note(noted(job)) is not None
        opened = writes.open(job)
        assert opened is not None
        assert writes.note_paid(Paid(job, opened.attempt_id, PAID, "http://out/1"))
        return writes.succeed(clean(job, opened.attempt_id))

    assert pool.submit(run).result(LONG_SECONDS / 2)
