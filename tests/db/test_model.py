"""The queries against a model of what they promise: whatever is done in whatever order, both stand alike."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.states import JobState
from db.session import make_engine
from tests.db.model import REQUEUED, Model
from tests.db.rows import keep_output

STEPS: dict[str, Callable[[Model, int], None]] = {
    "hand in": Model.hand_in,
    "dispatch": Model.dispatch,
    "claim": Model.claim,
    "open a call": Model.open_call,
    "rescue": Model.rescue,
    "cancel": Model.cancel,
    "pause": Model.pause,
    "resume": Model.resume,
    "decide": Model.decide,
    "set a limit": Model.set_limit,
    "go round": Model.go_round,
    **{how: partial(Model.end, how=how) for how in ("succeed", "die", "retry", "snooze", "hold")},
    **{f"requeue the {state}": partial(Model.requeue, state=state) for state in REQUEUED},
}
OFTEN = (*("dispatch", "claim", "open a call", "open a call") * 3, "die", "succeed", "go round", "go round", "resume")
steps = st.lists(st.tuples(st.sampled_from([*STEPS, *OFTEN]), st.integers(0, 59)), min_size=60, max_size=100)


@pytest.mark.locks_anyhow
def test_whatever_is_done_the_rows_stand_as_the_model_says(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=2)
    with engine.begin() as connection:
        keep_output(connection)
    seen: Counter[str] = Counter()

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(steps)
    def drive(taken: list[tuple[str, int]]) -> None:
        model = Model(engine)
        model.hand_in(6)
        for name, number in taken:
            STEPS[name](model, number)
            model.both_stand_alike()
            model.counts_are_what_is_counted()
            seen.update(job.state for job in model.jobs.values())
            seen.update(f"batch {batch.state} {batch.reason}" for batch in model.batches.values())

    drive()
    engine.dispose()
    assert set(JobState) <= set(seen), seen
    assert {f"batch paused {reason}" for reason in ("hand", "budget", "canary")} <= set(seen), seen
