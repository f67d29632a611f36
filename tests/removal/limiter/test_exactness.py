"""Real threads in real processes call a server that counts, on a real clock, however busy the machine is."""

import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from bench.counting import SECOND_US, Call, most_in_a_second, serve
from localstack.embedded import EmbeddedValkey
from tests.removal.limiter.crew import call_in_turn

RATE = 50
LATENCY_SECONDS = 0.3
SECONDS = 6.0

spawn = multiprocessing.get_context("spawn")


@pytest.fixture
def server() -> Iterator[tuple[int, Connection]]:
    """A server with the quota that is configured: its port, and the pipe that asks what it counted."""
    mine, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(theirs, RATE, LATENCY_SECONDS), daemon=True)
    process.start()
    yield mine.recv(), mine
    process.join(30)


@pytest.mark.slow
def test_no_second_holds_more_than_the_quota_and_each_refusal_has_its_reason(
    valkey: EmbeddedValkey, account: str, server: tuple[int, Connection]
) -> None:
    port, counted = server
    pipes = [spawn.Pipe() for _ in range(2)]
    for _, theirs in pipes:
        arguments = (theirs, valkey.url, port, account, RATE, RATE)
        spawn.Process(target=call_in_turn, args=arguments, daemon=True).start()
    threading.Event().wait(SECONDS)  # how much is called in that time is of no matter
    for mine, _ in pipes:
        mine.send("stop")
    sent_late: dict[int, int] = {}
    for mine, _ in pipes:
        sent_late |= mine.recv()
    counted.send("stop")
    calls: list[Call] = counted.recv()

    assert len(calls) == len(sent_late)
    assert most_in_a_second([call.slot_us for call in calls]) <= RATE
    assert most_in_a_second([call.arrived_us for call in calls if call.is_accepted]) <= RATE
    assert [call for call in calls if not call.is_accepted and not reasons(call, calls, sent_late)] == []


def reasons(refused: Call, calls: list[Call], sent_late: dict[int, int]) -> list[str]:
    """Return what pushed too many calls into the second before one that was refused.

    That is a call whose slot was earlier than that second, and which the machine held up into it.
    """
    begin_us = refused.arrived_us - SECOND_US
    return [
        f"sent {sent_late[call.slot_us]} µs after its slot, read by the server {call.late_us} µs after it"
        for call in calls
        if call.is_accepted and call.slot_us <= begin_us < call.arrived_us <= refused.arrived_us
    ]
