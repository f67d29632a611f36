"""Whose turn it is to use a decoder."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from photos import decoders
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
