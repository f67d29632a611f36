"""The Celery application of a worker process, and its one task under one name per lane."""

from celery import Celery
from celery.exceptions import Retry

from core.queues import TASK_NAMES, celery_settings
from core.states import JobState, Lane
from worker.celery_broker import LosslessEventDispatcher
from worker.execution import Ending
from worker.pipeline import Pipeline


class JobDead(Exception):
    """The job ended dead; raised so that Flower shows a failure."""


class JobHeld(Exception):
    """The job waits for a person; raised so that Flower does not show a success."""


def make_app(redis_url: str, pipeline: Pipeline) -> Celery:
    """Return an app whose tasks run jobs through `pipeline`.

    Args:
        redis_url: The broker.
        pipeline: Runs one job.
    """
    app = Celery("cleanplate", set_as_current=False)
    app.conf.update(celery_settings(redis_url))
    app.conf.update(
        broker_transport="worker.celery_broker:Transport", worker_consumer="worker.celery_broker:GatheringConsumer"
    )
    app.events.dispatcher_cls = LosslessEventDispatcher
    _ = app.backend  # made here, once, not by every thread that ends its first job

    def run_job(job_id: int, *, is_urgent: bool = False) -> str:
        """Run one job; the message holds its id and nothing else."""
        return tell_celery(job_id, pipeline.run(job_id, is_urgent=is_urgent))

    def run_urgent_job(job_id: int) -> str:
        """Run one job that somebody waits for."""
        return run_job(job_id, is_urgent=True)

    for lane, name in TASK_NAMES.items():
        task = run_urgent_job if lane is Lane.INTERACTIVE else run_job
        app.task(task, name=name, throws=(JobDead, JobHeld))
    return app


def tell_celery(job_id: int, ending: Ending) -> str:
    """Return or raise what shows the truth in Flower.

    Raising `Retry` without publishing anything marks the task as retried and acknowledges its message; the job's row
    is what becomes due again.

    Raises:
        Retry: The job is pending again.
        JobDead: It ended dead.
        JobHeld: It waits for a person.
    """
    what = f"job {job_id}: {ending.code} {ending.message}".strip()
    match ending.state:
        case JobState.PENDING:
            raise Retry(what)
        case JobState.DEAD:
            raise JobDead(what)
        case JobState.HELD:
            raise JobHeld(what)
        case _:
            return what
