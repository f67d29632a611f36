"""`cleanplate accept` and `cleanplate reject`: what a person decides about held photos."""

from collections.abc import Callable, Iterable

import click
from sqlalchemy import Connection

from cli.acting import actor
from cli.database import open_database
from cli.options import MOST_ID
from core.settings import load_settings
from db import audit, reviews
from db.reviews import Review, Verdict
from db.session import transact

_jobs_argument = click.argument("jobs", metavar="JOB...", type=click.IntRange(1, MOST_ID), nargs=-1, required=True)


@click.command()
@_jobs_argument
def accept(jobs: tuple[int, ...]) -> int:
    """Take the outputs of held photos: they are clean after all. `status BATCH` and the report list them."""
    return _settle(jobs, reviews.accept, "accepted; `cleanplate export` writes it")


@click.command()
@_jobs_argument
def reject(jobs: tuple[int, ...]) -> int:
    """Drop the outputs of held photos: they are dead, and nothing exports or reuses them."""
    return _settle(jobs, reviews.reject, "rejected; it is dead, and its output is dropped")


def _settle(jobs: tuple[int, ...], decide: Callable[[Connection, Iterable[int]], list[Review]], done: str) -> int:
    with open_database(load_settings()) as engine:
        settled = transact(engine, lambda connection: _decide(connection, jobs, decide))
    for review in settled:
        if review.verdict is Verdict.DONE:
            click.echo(f"Job {review.job_id} of batch {review.batch_id} is {done}.")
        else:
            click.echo(f"cleanplate: {_why_not(review)}", err=True)
    return 0 if all(review.verdict is Verdict.DONE for review in settled) else 1


def _decide(
    connection: Connection, jobs: tuple[int, ...], decide: Callable[[Connection, Iterable[int]], list[Review]]
) -> list[Review]:
    settled = decide(connection, jobs)
    for review in settled:
        if review.verdict is Verdict.DONE:
            audit.note(connection, actor(), decide.__name__, f"job {review.job_id}")
    return settled


def _why_not(review: Review) -> str:
    match review.verdict:
        case Verdict.UNKNOWN:
            return f"There is no job {review.job_id}; `cleanplate status BATCH` lists the held ones."
        case Verdict.NO_OUTPUT:
            return (
                f"Job {review.job_id} has no output that could be accepted: its call may have been billed without an "
                f"answer reaching us. `cleanplate requeue {review.batch_id} --held` calls again, `cleanplate reject "
                f"{review.job_id}` gives it up."
            )
        case _:
            return f"Job {review.job_id} of batch {review.batch_id} is {review.state}, not held; nothing changed."
