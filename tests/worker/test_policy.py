"""The error table, a case a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.decision import Decision, Move
from core.states import AnswerClass, Spend
from removal.answers import Answer, Kind
from removal.providers.aidge import Aidge
from tests.db.rows import HOLD, RULES
from worker.policy import (
    OUTPUT_DOWNLOADS,
    UNCOUNTED,
    RetryRules,
    backoff_seconds,
    decide,
    decide_download,
    decide_dropped,
    decide_unreachable,
)


@pytest.mark.parametrize(
    ("answer_class", "code", "attempts", "same_code", "rules", "move", "counted"),
    [
        (AnswerClass.THROTTLED, "501", 4, 9, RULES, Move.SNOOZE, False),
        (AnswerClass.ACCOUNT, "InvalidAppKey", 4, 9, RULES, Move.SNOOZE, False),
        (AnswerClass.SOURCE, "701", 0, 0, RULES, Move.RETRY, True),
        (AnswerClass.SOURCE, "701", 4, 4, RULES, Move.DEAD, True),
        (AnswerClass.SOURCE, "702", 0, 0, RULES, Move.RETRY, True),
        (AnswerClass.SOURCE, "702", 1, 1, RULES, Move.DEAD, True),
        (AnswerClass.PERMANENT, "700", 0, 0, RULES, Move.DEAD, True),
        (AnswerClass.PROVIDER_FAULT, "801", 0, 0, RULES, Move.RETRY, True),
        (AnswerClass.PROVIDER_FAULT, "801", 3, 3, RULES, Move.RETRY, True),
        (AnswerClass.PROVIDER_FAULT, "801", 4, 4, RULES, Move.DEAD, True),
        (AnswerClass.PROVIDER_FAULT, "1002", 0, 0, RULES, Move.RETRY, True),
        (AnswerClass.PROVIDER_FAULT, "1002", 1, 1, RULES, Move.RETRY, True),
        (AnswerClass.PROVIDER_FAULT, "1002", 2, 2, RULES, Move.DEAD, True),
        (AnswerClass.MAYBE_BILLED, "read_timeout", 0, 0, RULES, Move.RETRY, True),
        (AnswerClass.MAYBE_BILLED, "read_timeout", 0, 0, HOLD, Move.HELD, True),
        (AnswerClass.MAYBE_BILLED, "read_timeout", 4, 4, RULES, Move.DEAD, True),
        (AnswerClass.UNKNOWN, "not_json", 0, 0, RULES, Move.RETRY, True),
        (AnswerClass.UNKNOWN, "not_json", 4, 4, RULES, Move.DEAD, True),
    ],
)
def test_error_table(
    answer_class: AnswerClass,
    code: str,
    attempts: int,
    same_code: int,
    rules: RetryRules,
    move: Move,
    counted: bool,
) -> None:
    kind = Aidge.kind_of(code, "") or Kind(answer_class)
    assert kind.answer_class is answer_class
    decision = decide(kind, attempts=attempts, same_code=same_code, rules=rules)
    assert (decision.move, decision.counted) == (move, counted)


@pytest.mark.parametrize("answer_class", AnswerClass)
def test_what_spends_no_attempt_is_the_same_for_the_job_and_for_the_attempt(answer_class: AnswerClass) -> None:
    decision = decide(Kind(answer_class), attempts=0, same_code=0, rules=RULES)
    assert decision.counted == (answer_class not in UNCOUNTED)


def test_a_photo_that_changes_each_time_is_paid_for_twice_and_then_waits_for_a_person() -> None:
    made = [decide_dropped(dropped) for dropped in range(3)]
    assert made == [None, None, Decision(Move.HELD, counted=False)]


def test_a_ban_is_slept_out() -> None:
    decision = decide(Kind(AnswerClass.THROTTLED), attempts=0, same_code=0, rules=RULES, ban_seconds=7)
    assert decision.delay_seconds == 7


def test_a_failed_url_is_sent_as_bytes_next() -> None:
    assert decide(Kind(AnswerClass.SOURCE), attempts=0, same_code=0, rules=RULES).send_bytes


def answer(answer_class: AnswerClass, code: str, *, names_output: bool = False) -> Answer:
    return Answer(Kind(answer_class), 200, code, "", None, None, None, "", 0.0, 0, names_output)


def test_only_success_is_paid_and_only_a_lost_answer_maybe() -> None:
    spends = {answer_class: answer(answer_class, "x").spend for answer_class in AnswerClass}
    assert {answer_class for answer_class in spends if spends[answer_class] is Spend.PAID} == {AnswerClass.SUCCESS}
    assert {answer_class for answer_class in spends if spends[answer_class] is Spend.MAYBE} == {
        AnswerClass.MAYBE_BILLED
    }
    assert answer(AnswerClass.UNKNOWN, "no_output_url").spend is Spend.MAYBE
    assert answer(AnswerClass.UNKNOWN, "Strange", names_output=True).spend is Spend.MAYBE
    assert answer(AnswerClass.PERMANENT, "700", names_output=True).spend is Spend.NONE


@given(st.integers(1, 10_000))
def test_backoff_grows_to_its_cap_and_no_further(attempts: int) -> None:
    assert 0 <= backoff_seconds(attempts, RULES) <= min(60, 2 ** (attempts - 1))


@given(st.sampled_from(AnswerClass), st.integers(0, 50))
def test_no_job_is_tried_for_ever(answer_class: AnswerClass, attempts: int) -> None:
    decision = decide(Kind(answer_class), attempts=attempts, same_code=attempts, rules=RULES)
    if decision.counted and attempts + 1 >= RULES.max_attempts:
        assert decision.move in {Move.DEAD, Move.HELD}


@pytest.mark.parametrize(
    ("attempts", "is_final", "move"),
    [(0, False, Move.RETRY), (1, False, Move.RETRY), (2, False, Move.DEAD), (0, True, Move.DEAD)],
)
def test_an_unreachable_photo(attempts: int, is_final: bool, move: Move) -> None:
    assert decide_unreachable(attempts=attempts, failed=attempts, is_final=is_final, rules=RULES).move is move


def test_only_failures_to_fetch_a_photo_count_against_its_source() -> None:
    assert decide_unreachable(attempts=3, failed=0, is_final=False, rules=RULES).move is Move.RETRY
    assert decide_unreachable(attempts=4, failed=0, is_final=False, rules=RULES).move is Move.DEAD


def test_a_paid_output_is_fetched_often_before_it_is_given_up() -> None:
    made = [decide_download(failed=failed, rules=RULES) for failed in range(OUTPUT_DOWNLOADS)]
    assert [each.move for each in made] == [Move.RETRY] * (OUTPUT_DOWNLOADS - 1) + [Move.DEAD]
    assert not any(each.counted for each in made)


def test_a_retry_waits_as_long_as_the_provider_said() -> None:
    made = [
        decide(Kind(AnswerClass.PROVIDER_FAULT), attempts=0, same_code=0, rules=RULES, ban_seconds=90.0)
        for _ in range(20)
    ]
    assert all(each.delay_seconds >= 90 for each in made)
