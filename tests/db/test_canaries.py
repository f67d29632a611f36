"""A part of a batch goes first, and the rest only when it came out well."""

import pytest
from sqlalchemy import Engine, text

from core.states import AnswerClass, Lane
from db import batches, canaries, cancels, queue, requeues
from tests.db.rows import make_batch, put, state_of


def choose(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        canaries.choose(connection, 1, count)


def due(engine: Engine) -> list[int]:
    with engine.begin() as connection:
        return [job.id for job in queue.queue_due(connection, Lane.BULK, 1000)]


def call(engine: Engine, ids: list[int], answer_class: AnswerClass) -> None:
    statement = text(
        "INSERT INTO attempts (job_id, batch_id, lease_token, worker, account, sent_at, answered_at, answer_class) "
        "VALUES (:id, 1, gen_random_uuid(), 'w', 'a', now(), now(), :class)"
    )
    with engine.begin() as connection:
        for job_id in ids:
            connection.execute(statement, {"id": job_id, "class": answer_class.value})


def end(engine: Engine, ids: list[int], bad: int, *, called: bool = True) -> None:
    if called:
        call(engine, ids, AnswerClass.SUCCESS)
    with engine.begin() as connection:
        for place, job_id in enumerate(ids):
            put(connection, ("dead", "held")[place % 2] if place < bad else "succeeded", f"id = {job_id}")


def judge(engine: Engine, most_bad: float = 0.2) -> list[canaries.CanaryVerdict]:
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
    assert judge(engine) == [canaries.CanaryVerdict(1, True, 2, 10, 2, 10)]
    assert len(due(engine)) == 40
    assert judge(engine) == []


def test_a_bad_canary_pauses_the_batch_until_somebody_lets_it_go_on(engine: Engine) -> None:
    make_batch(engine, 50)
    choose(engine, 10)
    end(engine, due(engine), bad=3)
    assert judge(engine) == [canaries.CanaryVerdict(1, False, 3, 10, 3, 10)]
    assert (batch(engine).state, batch(engine).pause_reason) == ("paused", "canary")
    assert due(engine) == []
    with engine.begin() as connection:
        assert batches.resume(connection, 1)
    assert judge(engine) == []
    assert len(due(engine)) == 40


def test_a_canary_of_which_none_was_called_is_followed_by_others_and_more_of_them(engine: Engine) -> None:
    ids = make_batch(engine, 100)
    choose(engine, 3)
    first = due(engine)
    end(engine, first, bad=0, called=False)
    assert judge(engine) == []
    second = due(engine)
    assert len(second) == 3, "as many as went before"
    assert not set(first) & set(second)
    end(engine, second, bad=0, called=False)
    assert judge(engine) == []
    third = due(engine)
    assert len(third) == 6
    gaps = [after - before for before, after in zip(sorted(third), sorted(third)[1:], strict=False)]
    assert min(gaps) > 100 / 6 / 2, "spread over what is left"
    end(engine, third[:5], bad=0, called=False)
    end(engine, third[5:], bad=0)
    assert judge(engine) == [canaries.CanaryVerdict(1, True, 0, 12, 0, 1)]
    assert len(due(engine)) == len(ids) - 12


def test_outputs_that_were_there_before_do_not_outweigh_a_bad_call(engine: Engine) -> None:
    make_batch(engine, 100)
    choose(engine, 10)
    first = due(engine)
    end(engine, first[:1], bad=1)
    end(engine, first[1:], bad=0, called=False)
    assert judge(engine) == [canaries.CanaryVerdict(1, False, 1, 10, 1, 1)]


def test_a_batch_whose_photos_are_all_there_already_goes_on_without_a_call(engine: Engine) -> None:
    ids = make_batch(engine, 20)
    choose(engine, 3)
    rounds = []
    while batch(engine).canary_state == "running":
        picked = due(engine)
        rounds.append(len(picked))
        end(engine, picked, bad=0, called=False)
        judge(engine)
    assert rounds == [3, 3, 6, 8]
    assert sum(rounds) == len(ids)
    assert (batch(engine).state, batch(engine).canary_state) == ("active", "passed")


def test_a_cancelled_canary_tells_nothing_of_what_is_requeued_after_it(engine: Engine) -> None:
    ids = make_batch(engine, 10)
    choose(engine, 2)
    with engine.begin() as connection:
        canary = list(connection.execute(text("SELECT id FROM jobs WHERE is_canary")).scalars())
        cancels.cancel(connection, 1)
    asked = [job_id for job_id in ids if job_id not in canary][:4]
    for job_id in asked:
        with engine.begin() as connection:
            assert requeues.requeue_one(connection, job_id)
    assert judge(engine) == []
    second = due(engine)
    assert len(second) == 2
    assert set(second) <= set(asked)
    end(engine, second, bad=2)
    assert [verdict.is_good for verdict in judge(engine)] == [False]


@pytest.mark.parametrize("answer", [AnswerClass.THROTTLED, AnswerClass.ACCOUNT, AnswerClass.PROVIDER_FAULT])
def test_calls_that_came_to_nothing_do_not_make_outputs_that_were_there_a_good_canary(
    engine: Engine, answer: AnswerClass
) -> None:
    ids = make_batch(engine, 50)
    choose(engine, 2)
    first = due(engine)
    call(engine, first, answer)
    with engine.begin() as connection:
        put(connection, "succeeded", f"id IN ({first[0]}, {first[1]})", reused_from=ids[-1])
    assert judge(engine) == []
    assert len(due(engine)) == 2


def test_a_canary_whose_call_failed_and_that_was_cancelled_then_is_no_good_one(engine: Engine) -> None:
    ids = make_batch(engine, 10)
    choose(engine, 1)
    first = due(engine)
    call(engine, first, AnswerClass.PROVIDER_FAULT)
    with engine.begin() as connection:
        cancels.cancel(connection, 1)
    asked = [job_id for job_id in ids if job_id not in first][:3]
    for job_id in asked:
        with engine.begin() as connection:
            assert requeues.requeue_one(connection, job_id)
    assert judge(engine) == []
    assert len(due(engine)) == 1


def test_photos_that_are_dead_without_a_call_are_bad_all_the_same(engine: Engine) -> None:
    make_batch(engine, 50)
    choose(engine, 10)
    end(engine, due(engine), bad=10, called=False)
    assert judge(engine) == [canaries.CanaryVerdict(1, False, 10, 10, 0, 0)]
    assert batch(engine).pause_reason == "canary"


def test_a_photo_that_was_cancelled_is_chosen_for_no_canary(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancels, "AT_ONCE", 1)
    ids = make_batch(engine, 10)
    choose(engine, 2)
    with engine.begin() as connection:
        put(connection, "succeeded", "is_canary")
        cancels.cancel(connection, 1)
    alone = next(job_id for job_id in ids if state_of(engine, job_id) == "pending")
    with engine.begin() as connection:
        assert requeues.requeue_one(connection, alone)
    assert judge(engine) == []
    assert due(engine) == [alone]
