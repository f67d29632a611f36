"""Steering batches, and getting their outputs."""

from pathlib import Path

import click
from sqlalchemy import Connection

from cli.acting import act, actor
from cli.catalogue_export import export_catalogue
from cli.database import find_batch, open_database
from cli.export import prepare_folder
from cli.options import batch_argument
from cli.report import write_reports
from cli.stopping import go_on_if_affordable, why_stopped
from core.errors import CleanplateError
from core.settings import Settings, load_settings
from core.states import JobState
from db import audit, batches, budgets, cancels, requeues, tallies
from db.session import transact


@click.command()
@batch_argument
def pause(batch: int) -> None:
    """Stop making calls for a batch; what is in a call finishes."""
    with open_database(load_settings()) as engine:
        row = find_batch(engine, batch)
        done = act(engine, "pause", f"batch {batch}", lambda connection: batches.pause(connection, batch, "hand"))
    click.echo(f"Batch {batch} is paused." if done else f"Batch {batch} is {row.state}; nothing changed.")


@click.command()
@batch_argument
def resume(batch: int) -> None:
    """Let a paused batch go on, also past a canary that came out badly."""
    settings = load_settings()
    with open_database(settings) as engine:
        row = find_batch(engine, batch)
        if row.pause_reason == budgets.PAUSE_REASON:
            stopped = transact(engine, lambda connection: _resume_within_budget(connection, row, settings))
            if stopped is not None:
                raise stopped
            transact(engine, lambda connection: audit.note(connection, actor(), "resume", f"batch {batch}"))
            done = True
        else:
            done = act(engine, "resume", f"batch {batch}", lambda connection: batches.resume(connection, batch))
    click.echo(f"Batch {batch} goes on." if done else f"Batch {batch} is {row.state}; nothing changed.")


def _resume_within_budget(connection: Connection, row: batches.BatchRow, settings: Settings) -> CleanplateError | None:
    fresh = go_on_if_affordable(connection, row.id, settings)
    return why_stopped(connection, fresh, tallies.counts(connection, row.id), settings)


@click.command()
@batch_argument
def cancel(batch: int) -> None:
    """End a batch; photos that are done stay, the rest is never called."""
    with open_database(load_settings()) as engine:
        row = find_batch(engine, batch)
        count = transact(engine, lambda connection: _cancel(connection, batch))
        # Nothing is called any more; where no dispatcher runs nobody else would write that down.
        while transact(engine, cancels.cancel_stragglers):
            pass
    if count is None:
        click.echo(f"Batch {batch} is {row.state}; nothing changed.")
    else:
        click.echo(f"Batch {batch} is cancelled; {count} photos were not called.")


def _cancel(connection: Connection, batch: int) -> int | None:
    count = cancels.cancel(connection, batch)
    if count is not None:
        audit.note(connection, actor(), "cancel", f"batch {batch}", f"{count} photos")
    return count


@click.command()
@batch_argument
@click.option("--code", help="Only those that ended with this code, such as 801.")
@click.option("--held", is_flag=True, help="Those that wait for a person, instead of the dead; may pay again.")
@click.option("--cancelled", is_flag=True, help="Those that were cancelled, instead of the dead.")
def requeue(batch: int, code: str | None, held: bool, cancelled: bool) -> None:
    """Send a batch's dead photos round again."""
    if held and cancelled:
        raise click.UsageError("--held and --cancelled are two requeues; give one, then the other.")
    with open_database(load_settings()) as engine:
        find_batch(engine, batch)
        state = JobState.HELD if held else JobState.CANCELLED if cancelled else JobState.DEAD
        what = f"{state} photos" + (f" with code {code}" if code else "")
        count = act(
            engine,
            "requeue",
            f"batch {batch}",
            lambda connection: requeues.requeue(connection, batch, code, state=state),
            what,
        )
        # Of many only the first were sent; where no dispatcher runs nobody else would send the rest.
        while transact(engine, requeues.go_on):
            pass
    click.echo(f"{count} {what} of batch {batch} are due again.")


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
            click.echo(f"Catalogue: {done.path} ({done.written.replaced} URLs are new, {done.written.kept} as before)")
            click.echo(f"Failed: {done.failed_path} ({done.failed} photos)")
        if target is not None:
            report = write_reports(engine, batch, target, currency=settings.removal_currency)
            click.echo(f"Photos: {target}\nReport: {report}", err=True)
