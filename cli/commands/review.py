"""`cleanplate accept` and `cleanplate reject`: what a person decides about held photos."""

from collections.abc import Callable

import click
from sqlalchemy import Connection, Engine

from actions import review
from actions.review import Decided
from cli.actor import actor
from cli.database import open_database
from cli.options import MOST_ID
from core.errors import NotFound, Refused
from core.settings import load_settings
from db.session import transact

_jobs_argument = click.argument("jobs", metavar="JOB...", type=click.IntRange(1, MOST_ID), nargs=-1, required=True)


@click.command()
@_jobs_argument
def accept(jobs: tuple[int, ...]) -> int:
    """Take the outputs of held photos: they are clean after all. `status BATCH` and the report list them."""
    return _settle(jobs, review.accept, "accepted; `cleanplate export` writes it")


@click.command()
@_jobs_argument
def reject(jobs: tuple[int, ...]) -> int:
    """Drop the outputs of held photos: they are dead, and nothing exports or reuses them."""
    return _settle(jobs, review.reject, "rejected; it is dead, and its output is dropped")


def _settle(jobs: tuple[int, ...], decide: Callable[[Connection, str, int], Decided], done: str) -> int:
    settled: set[int] = set()
    is_refused = False
    with open_database(load_settings()) as engine:
        for job_id in dict.fromkeys(jobs):
            # One look decides about all jobs of the same photo.
            if job_id in settled:
                continue
            try:
                decided = _decide(engine, job_id, decide)
            except (NotFound, Refused) as error:
                click.echo(f"cleanplate: {error}", err=True)
                is_refused = True
                continue
            for each in (job_id, *decided.twins):
                click.echo(f"Job {each} is {done}.")
            settled.update((job_id, *decided.twins))
    return 1 if is_refused else 0


def _decide(engine: Engine, job_id: int, decide: Callable[[Connection, str, int], Decided]) -> Decided:
    return transact(engine, lambda connection: decide(connection, actor(), job_id))
