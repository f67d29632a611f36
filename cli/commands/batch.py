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
from cli.options import batch_argument
from cli.speech import say
from core.figures import count, counted
from core.settings import load_settings
from core.states import JobState
from db import cancels, requeues
from db.session import transact
from exporting.catalogue import export_catalogue
from exporting.folder import prepare_folder
from exporting.report import write_reports
from exporting.results_zip import save_zip


@click.command()
@batch_argument
def pause(batch: int) -> None:
    """Stop making calls for a batch; calls in progress finish."""
    with open_database(load_settings()) as engine:
        done = transact(engine, lambda connection: batches.pause(connection, actor(), batch))
    say(f"Batch {batch} is paused." if done.is_changed else _unchanged(batch, done))


@click.command()
@batch_argument
@yes_option
def resume(batch: int, yes: bool) -> None:
    """Resume a paused batch, even after a failed canary."""
    settings = load_settings()
    with open_database(settings) as engine:
        question = transact(engine, lambda connection: questions.ask_resume(connection, batch, settings))
        agree(question, yes=yes, otherwise=f"Batch {batch} stays paused.")
        done = transact(engine, lambda connection: batches.resume(connection, actor(), batch, settings))
    say(f"Batch {batch} is resumed. {done.words}".rstrip() if done.is_changed else _unchanged(batch, done))


@click.command()
@batch_argument
@yes_option
def cancel(batch: int, yes: bool) -> None:
    """End a batch; clean and held photos are kept, the rest is never called."""
    settings = load_settings()
    with open_database(settings) as engine:
        question = transact(engine, lambda connection: questions.ask_cancel(connection, batch, settings))
        agree(question, yes=yes, otherwise=f"Batch {batch} is not cancelled.")
        done = transact(engine, lambda connection: batches.cancel(connection, actor(), batch))
        # Nothing is called any more; where no dispatcher runs nobody else would write that down.
        while transact(engine, cancels.cancel_stragglers):
            pass
    cancelled = f"Batch {batch} is cancelled; {counted(done.photos, 'photo')} will not be called. {done.words}"
    say(cancelled.rstrip() if done.is_changed else _unchanged(batch, done))


def _unchanged(batch: int, done: Steered) -> str:
    return f"Batch {batch} is {done.state}; nothing changed."


@click.command()
@batch_argument
@click.option("--code", help="Only those that ended with this code, such as 801.")
@click.option("--held", is_flag=True, help="Held photos instead of failed ones; may pay again.")
@click.option("--cancelled", is_flag=True, help="Cancelled photos instead of failed ones.")
@yes_option
def requeue(batch: int, code: str | None, held: bool, cancelled: bool, yes: bool) -> None:
    """Retry a batch's failed photos; with --code nothing_to_remove, the skipped ones."""
    if held and cancelled:
        raise click.UsageError("Use either --held or --cancelled, not both.")
    state = JobState.HELD if held else JobState.CANCELLED if cancelled else send_again.state_of(code)
    settings = load_settings()

    def work(connection: Connection) -> int:
        return send_again.requeue(connection, actor(), batch, settings, state=state, code=code)

    with open_database(settings) as engine:
        question = transact(
            engine, lambda connection: questions.ask_requeue(connection, batch, settings, state=state, code=code)
        )
        agree(question, yes=yes, otherwise="Nothing was retried.")
        sent = transact(engine, work)
        # Of many only the first were sent; where no dispatcher runs nobody else would send the rest.
        while transact(engine, requeues.go_on):
            pass
    say(f"Retrying {send_again.describe(sent, state, code)} of batch {batch}." if sent else "Nothing to retry.")


@click.command()
@batch_argument
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="The folder to write clean photos to.")
@click.option(
    "--catalogue",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write: the batch's catalogue, with the URLs of the clean photos.",
)
@click.option(
    "--source", type=click.Path(path_type=Path, dir_okay=False), help="The original catalogue, if it has moved."
)
@click.option("--zip", "archive", type=click.Path(path_type=Path, dir_okay=False), help="A ZIP of all that to write.")
def export(batch: int, to: Path | None, catalogue: Path | None, source: Path | None, archive: Path | None) -> None:
    """Write a batch's clean photos and report to a folder or a ZIP, or its catalogue with their URLs."""
    if to is None and catalogue is None and archive is None:
        raise click.UsageError("Name a folder with --to, or a file with --catalogue or --zip.")
    settings = load_settings()
    target = None if to is None else prepare_folder(to)
    with open_database(settings) as engine:
        row = find_batch(engine, batch)
        if archive is not None:
            save_zip(engine, settings, row, archive)
            say(f"ZIP: {archive}", err=True)
        if catalogue is not None:
            done = export_catalogue(engine, settings, row, catalogue, source)
            new = counted(done.written.replaced, "new URL")
            say(f"Catalogue: {done.path} ({new}, {count(done.written.kept)} unchanged)")
            say(f"Failed: {done.failed_path} ({counted(done.failed, 'photo')})")
        if target is not None:
            report = write_reports(engine, batch, target, currency=settings.removal_currency)
            say(f"Photos: {target}\nReport: {report}", err=True)
