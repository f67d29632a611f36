"""`cleanplate review`, `accept` and `reject`: photos to look at, and what a person decides about held ones."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
from sqlalchemy import Connection, Engine

from actions import flags, review
from actions.review import Decided
from cli.actor import actor
from cli.database import find_batch, open_database
from cli.options import MOST_ID, batch_argument
from cli.speech import say
from core.errors import NotFound, Refused
from core.settings import load_settings
from db.session import transact
from db.sheets import SheetOrder, SheetScope, Show
from exporting.sheets import write_sheets

_jobs_argument = click.argument("jobs", metavar="JOB...", type=click.IntRange(1, MOST_ID), nargs=-1, required=True)


@click.command()
@_jobs_argument
def accept(jobs: tuple[int, ...]) -> int:
    """Accept held photos: they count as clean. `status BATCH` and the report list them."""
    return _settle(jobs, review.accept, "accepted; `cleanplate export` writes it")


@click.command()
@_jobs_argument
def reject(jobs: tuple[int, ...]) -> int:
    """Reject held or clean photos: they count as failed, and are never exported or reused."""
    return _settle(jobs, review.reject, "rejected; it counts as failed, and is not exported")


@click.command()
@_jobs_argument
@click.option("--reason", default="", metavar="TEXT", help="What is to be looked at.")
def flag(jobs: tuple[int, ...], reason: str) -> int:
    """Have photos looked at again, clean ones too: they wait for review, and stay as they are until then."""
    return _mark(jobs, lambda connection, job_id: flags.flag(connection, actor(), job_id, reason), "flagged for review")


@click.command()
@_jobs_argument
def unflag(jobs: tuple[int, ...]) -> int:
    """Take the flags of photos away: they are good as they are."""
    return _mark(jobs, lambda connection, job_id: flags.unflag(connection, actor(), job_id), "not flagged any more")


@click.command(name="review")
@batch_argument
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="The file to write, such as sheet.html; photos beyond 500 go to sheet-2.html, and so on.",
)
@click.option(
    "--show",
    type=click.Choice([each.value for each in Show]),
    default=Show.OUTPUTS.value,
    show_default=True,
    help="Which photos: those with a result, held, clean, failed (dead) or all.",
)
@click.option(
    "--order",
    type=click.Choice([each.value for each in SheetOrder]),
    default=SheetOrder.DOUBT.value,
    show_default=True,
    help="Sort by doubt, name, amount of change, or as submitted.",
)
def write_review(batch: int, target: Path, show: str, order: str) -> None:
    """Write a batch's contact sheet, originals and results, for people without an account."""
    scope = SheetScope(batch, Show(show))
    settings = load_settings()
    with open_database(settings, pool_size=8) as engine:
        row = find_batch(engine, batch)
        for path in write_sheets(engine, settings, row, target, scope=scope, order=SheetOrder(order)):
            say(path)


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
                say(f"cleanplate: {error}", err=True)
                is_refused = True
                continue
            for each in (job_id, *decided.twins):
                say(f"Job {each} is {done}.")
            settled.update((job_id, *decided.twins))
    return 1 if is_refused else 0


def _mark(jobs: tuple[int, ...], mark: Callable[..., bool], done: str) -> int:
    is_refused = False
    with open_database(load_settings()) as engine:
        for job_id in dict.fromkeys(jobs):
            try:
                is_changed = transact(engine, partial(mark, job_id=job_id))
            except NotFound as error:
                say(f"cleanplate: {error}", err=True)
                is_refused = True
                continue
            say(f"Job {job_id} is {done}." if is_changed else f"Job {job_id} was {done} before.")
    return 1 if is_refused else 0


def _decide(engine: Engine, job_id: int, decide: Callable[[Connection, str, int], Decided]) -> Decided:
    return transact(engine, lambda connection: decide(connection, actor(), job_id))
