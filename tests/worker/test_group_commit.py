"""Many threads' writes in one transaction: who is in which group, and what becomes of one that fails."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, text

from worker.group_commit import MOST_AT_ONCE, GroupCommit, NotGrouped

PATIENCE_SECONDS = 60.0


class Slow:
    """Answers each number with its double; the first group waits until it is let go.

    Args:
        statement: What a group sends first.
    """

    def __init__(self, statement: Callable[[Sequence[int]], str] = lambda _: "SELECT 1") -> None:
        self.groups: list[list[int]] = []
        self.began, self.go_on = threading.Event(), threading.Event()
        self._statement = statement

    def __call__(self, connection: Connection, items: Sequence[int]) -> list[int | None]:
        self.groups.append(list(items))
        self.began.set()
        assert self.go_on.wait(PATIENCE_SECONDS)
        connection.execute(text(self._statement(items)))
        return [2 * item for item in items]


def ask_all(group: GroupCommit[int, int], work: Slow, numbers: Sequence[int]) -> list[int | NotGrouped | None]:
    """Ask for the first number, for all others while that one is on its way, and return the answers."""

    def ask(number: int) -> int | NotGrouped | None:
        try:
            return group.ask(number)
        except NotGrouped as error:
            return error

    with ThreadPoolExecutor(len(numbers)) as pool:
        first = pool.submit(ask, numbers[0])
        assert work.began.wait(PATIENCE_SECONDS)
        others = []
        for place, number in enumerate(numbers[1:], start=1):
            others.append(pool.submit(ask, number))
            # One after the other, so that their order is known.
            while len(group._waiting) < place:
                assert not others[-1].done()
        work.go_on.set()
        return [each.result(PATIENCE_SECONDS) for each in (first, *others)]


def test_those_that_come_while_one_is_on_its_way_are_the_next_group(engine: Engine) -> None:
    work = Slow()
    assert ask_all(GroupCommit(engine, work), work, [1, 2, 3, 4]) == [2, 4, 6, 8]
    assert work.groups == [[1], [2, 3, 4]]


def test_one_that_is_alone_waits_for_nobody(engine: Engine) -> None:
    work = Slow()
    work.go_on.set()
    group = GroupCommit(engine, work)
    assert [group.ask(number) for number in (1, 2)] == [2, 4]
    assert work.groups == [[1], [2]]


def test_no_two_of_one_key_are_in_a_group_and_none_is_left_behind(engine: Engine) -> None:
    work = Slow()
    group = GroupCommit(engine, work, key=lambda number: number % 3)
    assert ask_all(group, work, [1, 4, 7, 2, 5]) == [2, 8, 14, 4, 10]
    assert work.groups == [[1], [4, 2], [7, 5]]


def test_what_weighs_much_goes_alone(engine: Engine) -> None:
    work = Slow()
    group = GroupCommit(engine, work, weigh=lambda number: number * 1_000_000)
    assert ask_all(group, work, [1, 9, 3, 4, 5]) == [2, 18, 6, 8, 10]
    assert work.groups == [[1], [9], [3, 4], [5]]


def test_a_group_is_no_larger_than_a_statement_should_be(engine: Engine) -> None:
    work = Slow()
    numbers = list(range(MOST_AT_ONCE + 3))
    assert ask_all(GroupCommit(engine, work), work, numbers) == [2 * number for number in numbers]
    assert [len(group) for group in work.groups] == [1, MOST_AT_ONCE, 2]


def test_all_of_a_group_that_fails_are_told_and_the_next_goes_on(engine: Engine) -> None:
    work = Slow(lambda items: "SELECT 1 / 0" if 3 in items else "SELECT 1")
    group = GroupCommit(engine, work)
    first, *others = ask_all(group, work, [1, 2, 3])
    assert first == 2
    for other in others:
        assert isinstance(other, NotGrouped)
        assert "division by zero" in str(other.cause)
    assert group.ask(4) == 8


def test_an_error_of_the_program_reaches_who_made_it_and_holds_up_nobody(engine: Engine) -> None:
    def work(_connection: Connection, items: Sequence[int]) -> list[int | None]:
        raise KeyError(items[0])

    group = GroupCommit(engine, work)
    for number in (1, 2):
        with pytest.raises(KeyError):
            group.ask(number)


def test_one_that_is_answered_with_none_has_to_be_asked_about_alone(engine: Engine) -> None:
    group: GroupCommit[int, int] = GroupCommit(engine, lambda _, items: [None for _ in items])
    assert group.ask(1) is None


@pytest.mark.parametrize("where", ["answers", "keys"])
def test_what_is_wrong_with_the_work_holds_up_nobody_who_waits(engine: Engine, where: str) -> None:
    def fail(number: int) -> int:
        if where == "keys":
            raise KeyError(number)
        return number

    work = Slow()
    group = GroupCommit(engine, lambda connection, items: work(connection, items)[:1], key=fail)

    def ask(number: int) -> BaseException | int | None:
        try:
            return group.ask(number)
        except (KeyError, ValueError, NotGrouped) as error:
            return error

    work.go_on.set()
    with ThreadPoolExecutor(4) as pool:
        answers = [each.result(PATIENCE_SECONDS) for each in [pool.submit(ask, number) for number in range(1, 5)]]
    for number, answer in enumerate(answers, start=1):
        assert answer == 2 * number or isinstance(answer, KeyError | ValueError | NotGrouped)
