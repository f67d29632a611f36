"""The allowed moves, and that a random walk of a job never gets stuck or leaves them."""

from hypothesis import given
from hypothesis import strategies as st

from core.states import BATCH_MOVES, MOVES, BatchState, JobState

ENDED = {JobState.SUCCEEDED, JobState.DEAD, JobState.HELD, JobState.CANCELLED}


def test_every_state_has_its_moves() -> None:
    assert set(MOVES) == set(JobState)
    assert set(BATCH_MOVES) == set(BatchState)


def test_only_a_persons_word_leaves_succeeded() -> None:
    """Rejected, no longer accepted, or called for after all: nothing is called for again by itself."""
    assert MOVES[JobState.SUCCEEDED] == {JobState.DEAD, JobState.HELD, JobState.PENDING}


def test_only_a_claim_makes_a_job_run() -> None:
    assert [before for before in JobState if JobState.RUNNING in MOVES[before]] == [JobState.QUEUED]


@given(st.lists(st.integers(0, 10), max_size=40))
def test_from_wherever_a_walk_leads_a_settled_state_can_be_reached(choices: list[int]) -> None:
    state = JobState.PENDING
    for choice in choices:
        after = sorted(MOVES[state])
        if after:
            state = after[choice % len(after)]
    reachable, edge = {state}, [state]
    while edge:
        fresh = MOVES[edge.pop()] - reachable
        reachable |= fresh
        edge.extend(fresh)
    assert reachable & ENDED
