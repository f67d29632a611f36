"""A part of a batch goes first, and the rest only when it came out well."""

import pytest
from sqlalchemy import Engine

from core.states import Lane
from db import batches, canaries, queue
from tests.db.rows import make_batch, put


def choose(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        canaries.choose(connection, 1, count)


def due(engine: Engine) -> list[int]:
    with engine.begin() as connection:
        return [job.id for job in queue.queue_due(connection, Lane.BULK, 1000)]


def end(engine: Engine, ids: list[int], bad: int) -> None:
    with engine.begin() as connection:
        for place, job_id in enumerate(ids):
            put(connection, ("dead", "held")[place % 2] if place < bad else "succeeded", f"id = {job_id}")


def judge(engine: Engine, most_bad: float = 0.2) -> list[canaries.Verdict]:
    with engine.begin() as connection:
        return canaries.judge(connection, most_bad)


def batch(engine: Engine) -> batches.BatchRow:
    with engine.connect() as connection:
        row = batches.get(connection, 1)
    assert row is not None
    return row


@pytest.mark.parametrize(("total", "count"), [(100, 20), (101, 20), (7, 3), (50, 49), (1000, 1)])
def test_the_canary_is_spread_over_the_batch_and_goes_first(engine: Engine, total: int, count: int) -> None:
    ids = make_batch(engine, total)
    choose(engine, count)
    first = due(engine)
    assert len(first) == count
    places = sorted(ids.index(job_id) for job_id in first)
    gaps = [after - before for before, after in zip([-1, *places], places, strict=False)]
    assert max(gaps) - min(gaps) <= 1


def test_a_batch_no_larger_than_its_canary_has_none(engine: Engine) -> None:
    make_batch(engine, 5)
    choose(engine, 5)
    assert batch(engine).canary_state is None
    assert len(due(engine)) == 5


def test_nothing_is_judged_while_a_canary_is_out(engine: Engine) -> None:
    make_batch(engine, 50)
    choose(engine, 10)
    first = due(engine)
    end(engine, first[:9], bad=9)
    assert judge(engine) == []
    assert due(engine) == []


def test_the_rest_follows_a_good_canary(engine: Engine) -> None:
    make_batch(engine, 50)
    choose(engine, 10)
    end(engine, due(engine), bad=2)
    assert judge(engine) == [canaries.Verdict(1, True, 2, 10)]
    assert len(due(engine)) == 40
    assert judge(engine) == []


def test_a_bad_canary_pauses_the_batch_until_somebody_lets_it_go_on(engine: Engine) -> None:
    make_batch(engine, 50)
    choose(engine, 10)
    end(engine, due(engine), bad=3)
    assert judge(engine) == [canaries.Verdict(1, False, 3, 10)]
    assert (batch(engine).state, batch(engine).pause_reason) == ("paused", "canary")
    assert due(engine) == []
    with engine.begin() as connection:
        assert batches.resume(connection, 1)
    assert judge(engine) == []
    assert len(due(engine)) == 40
