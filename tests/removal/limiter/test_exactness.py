"""Real threads in real processes on a real clock."""

import multiprocessing
from bisect import bisect_left

import pytest

from cli.stack.embedded import EmbeddedValkey
from tests.removal.limiter.crew import take_permits

RATE = 200


@pytest.mark.load
def test_two_processes_share_one_quota_exactly(valkey: EmbeddedValkey, account: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    moments: list[float] = []
    pipes = [spawn.Pipe() for _ in range(2)]
    workers = [
        spawn.Process(target=take_permits, args=(theirs, valkey.url, account, RATE, 40, 5.0)) for _, theirs in pipes
    ]
    for worker in workers:
        worker.start()
    for mine, _ in pipes:
        assert mine.poll(60)
        moments += mine.recv()
    for worker in workers:
        worker.join(10)
    moments.sort()
    most = max(bisect_left(moments, begin + 1.0) - place for place, begin in enumerate(moments))
    assert most <= RATE
    # The processes start and stop a little apart; what counts is the stretch in which both had work.
    begin, end = moments[0] + 1.0, moments[-1] - 0.5
    assert end - begin > 1.5
    assert sum(begin <= moment < end for moment in moments) >= 0.985 * RATE * (end - begin)
