"""What Flower gets to see."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from celery.exceptions import Retry

from core.queues import TASK_NAMES
from core.states import Lane
from worker.celery_app import JobDead, JobHeld, make_app, tell_celery
from worker.execution import GONE, Ending


@pytest.mark.parametrize(
    ("ending", "error"),
    [(Ending("pending", "801", "no"), Retry), (Ending("dead", "700", "no"), JobDead), (Ending("held"), JobHeld)],
)
def test_what_did_not_succeed_is_no_success(ending: Ending, error: type[Exception]) -> None:
    with pytest.raises(error, match="job 7"):
        tell_celery(7, ending)


@pytest.mark.parametrize("ending", [Ending("succeeded", "200"), GONE])
def test_what_is_done_is_done(ending: Ending) -> None:
    assert "job 7" in tell_celery(7, ending)


def test_a_task_name_per_lane_and_no_result_kept() -> None:
    app = make_app("redis://127.0.0.1:1/0", None)  # type: ignore[arg-type]
    assert {TASK_NAMES[lane] for lane in Lane} <= set(app.tasks)
    assert app.conf.task_ignore_result
    assert app.conf.task_acks_late


def test_no_thread_looks_for_a_backend_of_its_own() -> None:
    app = make_app("redis://127.0.0.1:1/0", None)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(lambda: app.backend).result() is app.backend
