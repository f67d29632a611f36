"""Steering batches, and getting their outputs."""

from pathlib import Path

import click
from sqlalchemy import Connection

from actions import batches, questions
from actions import requeue as send_again
from actions.batches import Steered
from cli.actor import actor
from cli.consent import agree, yes_option
from cli.database import find_batch, open_database
from cli.exporting.catalogue import export_catalogue
from cli.exporting.folder import prepare_folder
from cli.exporting.report import write_reports
from cli.options import batch_argument
from cli.speech import say
from core.settings import load_settings
from core.states import JobState
from db import cancels, requeues
from db.session import transact


@click.command()
@batch_argument
def pause(batch: int) -> None:
    """Stop making calls for a batch; what is in a call finishes."""
    with open_database(load_settings()) as engine:
        done = transact(engine, lambda connection: batches.pause(connection, actor(), batch))
    say(f"Batch {batch} is paused." if done.is_changed else _unchanged(batch, done))


@click.command()
@batch_argument
@yes_option
def resume(batch: int, yes: bool) -> None:
    """Let a paused batch go on, also past a canary that came out badly."""
    settings = load_settings()
    with open_database(settings) as engine:
        question = transact(engine, lambda connection: questions.ask_resume(connection, batch, settings))
        agree(question, yes=yes, otherwise=f"Batch {batch} stays paused.")
        done = transact(engine, lambda connection: batches.resume(connection, actor(), batch, settings))
    say(f"Batch {batch} goes on. {done.words}".rstrip() if done.is_changed else _unchanged(batch, done))


@click.command()
@batch_argument
@yes_option
def cancel(batch: int, yes: bool) -> None:
    """End a batch; photos that are done or held stay, the rest is never called."""
    settings = load_settings()
    with open_database(settings) as engine:
        question = transact(engine, lambda connection: questions.ask_cancel(connection, batch, settings))
        agree(question, yes=yes, otherwise=f"Batch {batch} is not cancelled.")
        done = transact(engine, lambda connection: batches.cancel(connection, actor(), batch))
        # Nothing is called any more; where no dispatcher runs nobody else would write that down.
        while transact(engine, cancels.cancel_stragglers):
            pass
    cancelled = f"Batch {batch} is cancelled; {done.photos:,} photos will not be called. {done.words}"
    say(cancelled.rstrip() if done.is_changed else _unchanged(batch, done))


def _unchanged(batch: int, done: Steered) -> str:
    return f"Batch {batch} is {done.state}; nothing changed."


@click.command()
@batch_argument
@click.option("--code", help="Only those that ended with this code, such as 801.")
@click.option("--held", is_flag=True, help="Those that wait for a person, instead of the dead; may pay again.")
@click.option("--cancelled", is_flag=True, help="Those that were cancelled, instead of the dead.")
@yes_option
def requeue(batch: int, code: str | None, held: bool, cancelled: bool, yes: bool) -> None:
    """Send a batch's dead photos round again; --code nothing_to_remove: those that were not called for."""
    if held and cancelled:
        raise click.UsageError("--held and --cancelled are two requeues; give one, then the other.")
    state = JobState.HELD if held else JobState.CANCELLED if cancelled else send_again.state_of(code)
    settings = load_settings()

    def work(connection: Connection) -> int:
        return send_again.requeue(connection, actor(), batch, settings, state=state, code=code)

    with open_database(settings) as engine:
        question = transact(
            engine, lambda connection: questions.ask_requeue(connection, batch, settings, state=state, code=code)
        )
        agree(question, yes=yes, otherwise="Nothing was requeued.")
        count = transact(engine, work)
        # Of many only the first were sent; where no dispatcher runs nobody else would send the rest.
        while transact(engine, requeues.go_on):
            pass
    say(f"{send_again.describe(count, state, code)} of batch {batch} {'is' if count == 1 else 'are'} due again.")


@click.command()
@batch_argument
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="The folder clean photos go to.")
@click.option(
    "--catalogue",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write: the one the batch was made from, with the URLs of the clean photos.",
)
@click.option("--source", type=click.Path(path_type=Path, dir_okay=False), help="That file, if it is elsewhere now.")
def export(batch: int, to: Path | None, catalogue: Path | None, source: Path | None) -> None:
    """Write a batch's clean photos and its report into a folder, or its catalogue with their URLs."""
    if to is None and catalogue is None:
        raise click.UsageError("Name a folder with --to, or a file with --catalogue.")
    settings = load_settings()
    target = None if to is None else prepare_folder(to)
    with open_database(settings) as engine:
        row = find_batch(engine, batch)
        if catalogue is not None:
            done = export_catalogue(engine, settings, row, catalogue, source)
            say(f"Catalogue: {done.path} ({done.written.replaced} URLs are new, {done.written.kept} as before)")
            say(f"Failed: {done.failed_path} ({done.failed} photos)")
        if target is not None:
            report = write_reports(engine, batch, target, currency=settings.removal_currency)
            say(f"Photos: {target}\nReport: {report}", err=True)
