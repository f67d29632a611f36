"""Whose turn it is to use a decoder."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from photos import decoders
from photos.decoders import pool
from photos.decoders.limits import MB, Allowance, Cost
from photos.decoders.pool import Decoders

ANY = Cost(100 * MB, 1, 60.0)


def test_what_is_urgent_goes_first_and_has_a_decoder_that_nothing_else_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Decoders(Allowance(ANY, ANY, turns=2))
    end, order = threading.Semaphore(0), list[str]()
    begun = threading.Semaphore(0)

    def ask(*given: Any) -> Any:
        name = str(given[2])
        order.append(name)
        begun.release()
        assert end.acquire(timeout=60)
        return "done", name

    monkeypatch.setattr(Decoders, "_ask", ask)

    def urgent(name: str) -> Any:
        with decoders.urgently():
            return found.run(name, is_big=False)

    with ThreadPoolExecutor(12) as threads:
        hostile = [threads.submit(found.run, f"bulk {number}", is_big=False) for number in range(6)]
        for _ in range(2):
            assert begun.acquire(timeout=60)
        first = threads.submit(urgent, "urgent 0")
        # Nothing that went before has ended.
        assert begun.acquire(timeout=60)
        assert order[2] == "urgent 0"
        others = [threads.submit(urgent, f"urgent {number}") for number in (1, 2)]
        while len(found._waiting) < 6:
            threading.Event().wait(0.001)
        # One by one: who was let in first need not be the first that the system lets run.
        for begins in (True, True, False, True, True, True, True, False, False):
            end.release()
            # The place that only what is urgent takes is left free by the third.
            assert not begins or begun.acquire(timeout=20)
        assert {each.result(60)[0] for each in (*hostile, first, *others)} == {"done"}
    assert set(order[3:5]) == {"urgent 1", "urgent 2"}
    assert all(name.startswith("bulk") for name in order[5:])
    assert not found._waiting


class Latch:
    """A lock that is taken once at once, and then waited for; keeps account of who waits, and of who waited.

    Args:
        asleep: Let go when somebody is about to wait.
        woken: Where whoever has waited is noted.
    """

    def __init__(self, asleep: threading.Semaphore, woken: list[int]) -> None:
        self._lock = threading.Lock()
        self._asleep = asleep
        self._woken = woken

    def acquire(self) -> None:
        """Take it."""
        if self._lock.acquire(blocking=False):
            return
        self._asleep.release()
        self._lock.acquire()
        self._woken.append(threading.get_ident())

    def release(self) -> None:
        """Let whoever waits go on."""
        self._lock.release()


def test_when_a_decoder_is_free_only_whose_turn_it_is_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Decoders(Allowance(ANY, ANY, turns=1))
    ended, begun, asleep = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
    order: list[int] = []
    woken: list[int] = []
    turns: list[pool._Turn] = []
    make = pool._Turn

    def turn(*given: Any) -> pool._Turn:
        one = make(*given)
        one.latch = Latch(asleep, woken)  # type: ignore[assignment]
        turns.append(one)
        return one

    def ask(*_: Any) -> Any:
        order.append(threading.get_ident())
        begun.release()
        assert ended.acquire(timeout=60)
        return "done", None

    monkeypatch.setattr(pool, "_Turn", turn)
    monkeypatch.setattr(Decoders, "_ask", ask)
    waiting = 5
    with ThreadPoolExecutor(waiting + 1) as threads:
        asked = [threads.submit(found.run, "any", is_big=False)]
        assert begun.acquire(timeout=60)
        for _ in range(waiting):
            asked.append(threads.submit(found.run, "any", is_big=False))
            assert asleep.acquire(timeout=60)
        expected = [one.number for one in found._waiting]
        assert len(expected) == waiting
        try:
            for place in range(1, waiting + 1):
                ended.release()
                assert begun.acquire(timeout=60)
                # The one that came first, and nobody else, though all the others wait for the same.
                assert [one.number for one in turns if one.has_come] == [0, *expected[:place]]
                assert len(woken) == place
                assert woken == order[1:]
        finally:
            ended.release(waiting + 1)
        assert {each.result(60) for each in asked} == {("done", None)}
