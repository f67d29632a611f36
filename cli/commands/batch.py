"""Submitting, watching and steering batches."""

import json
from pathlib import Path

import click
from sqlalchemy import Engine

from cli.commands.run import confirm, take_in
from cli.database import find_batch, open_database
from cli.export import prepare_folder
from cli.options import batch_argument, batch_options, json_option, read_batch_options, source_argument
from cli.progress import make_display
from cli.report import write_reports
from cli.waiting import wait_for_end
from core.settings import load_settings
from db import batches, circuits
from db.session import now, transact


@click.command()
@source_argument
@batch_options
@json_option
@click.option("--yes", is_flag=True, help="Do not ask before paid calls.")
def submit(
    source: Path, elements: str, subject_elements: str | None, limit: int | None, as_json: bool, yes: bool
) -> None:
    """Write SOURCE into the database as a batch and print its id; workers run it."""
    settings = load_settings()
    options = read_batch_options(elements, subject_elements, limit)
    confirm(settings, source, None, options, yes=yes)
    with open_database(settings) as engine:
        intake = transact(engine, lambda connection: take_in(connection, source, None, options, settings.account))
    if as_json:
        click.echo(json.dumps({"batch": intake.batch_id, "added": intake.added, "resumed": intake.resumed}))
    else:
        click.echo(intake.batch_id)
        click.echo(f"{intake.added} photos wait in batch {intake.batch_id}; `cleanplate up` runs them.", err=True)


@click.command()
@click.argument("batch", type=click.IntRange(min=1), required=False)
@json_option
def status(batch: int | None, as_json: bool) -> None:
    """Say how one batch stands, or the newest ones."""
    settings = load_settings()
    with open_database(settings) as engine:
        rows = [find_batch(engine, batch)] if batch else transact(engine, lambda c: batches.newest(c, 20))
        found = [_describe(engine, row) for row in rows]
        circuit = transact(engine, lambda connection: circuits.find_open(connection, settings.account))
    if as_json:
        click.echo(json.dumps(found[0] if batch else {"batches": found}))
    elif not found:
        click.echo("There is no batch yet; `cleanplate submit SOURCE` makes one.")
    else:
        for row in found:
            click.echo(_line(row))
    if circuit is not None:
        click.echo(f"No calls are made: {circuit.reason} {circuit.code} ({circuit.message})", err=True)


@click.command()
@batch_argument
def watch(batch: int) -> int:
    """Show a batch's progress until it ends."""
    settings = load_settings()
    with open_database(settings) as engine:
        find_batch(engine, batch)
        since = transact(engine, now)
        counts = wait_for_end(
            engine,
            batch,
            since=since,
            account=settings.account,
            rate=settings.removal_rate,
            display=make_display(),
        )
    return 0 if counts.succeeded == counts.total else 1


@click.command()
@batch_argument
def pause(batch: int) -> None:
    """Stop making calls for a batch; what is in a call finishes."""
    with open_database(load_settings()) as engine:
        row = find_batch(engine, batch)
        done = transact(engine, lambda connection: batches.pause(connection, batch, "hand"))
    click.echo(f"Batch {batch} is paused." if done else f"Batch {batch} is {row.state}; nothing changed.")


@click.command()
@batch_argument
def resume(batch: int) -> None:
    """Let a paused batch go on."""
    with open_database(load_settings()) as engine:
        row = find_batch(engine, batch)
        done = transact(engine, lambda connection: batches.resume(connection, batch))
    click.echo(f"Batch {batch} goes on." if done else f"Batch {batch} is {row.state}; nothing changed.")


@click.command()
@batch_argument
def cancel(batch: int) -> None:
    """End a batch; photos that are done stay, the rest is never called."""
    with open_database(load_settings()) as engine:
        row = find_batch(engine, batch)
        count = transact(engine, lambda connection: batches.cancel(connection, batch))
    if count is None:
        click.echo(f"Batch {batch} is {row.state}; nothing changed.")
    else:
        click.echo(f"Batch {batch} is cancelled; {count} photos were not called.")


@click.command()
@batch_argument
@click.option("--code", help="Only those that died with this code, such as 801.")
@click.option("--held", is_flag=True, help="Those that wait for a person, instead of the dead; may pay again.")
def requeue(batch: int, code: str | None, held: bool) -> None:
    """Send a batch's dead photos round again."""
    with open_database(load_settings()) as engine:
        find_batch(engine, batch)
        count = transact(engine, lambda connection: batches.requeue(connection, batch, code, held=held))
    what = ("held" if held else "dead") + " photos" + (f" with code {code}" if code else "")
    click.echo(f"{count} {what} of batch {batch} are due again.")


@click.command()
@batch_argument
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where files go.")
def export(batch: int, to: Path) -> None:
    """Write a batch's clean photos and its report into a folder."""
    target = prepare_folder(to)
    with open_database(load_settings()) as engine:
        find_batch(engine, batch)
        report = write_reports(engine, batch, target)
    click.echo(f"Photos: {target}\nReport: {report}", err=True)


def _describe(engine: Engine, row: batches.BatchRow) -> dict[str, object]:
    counts = transact(engine, lambda connection: batches.counts(connection, row.id))
    return {
        "batch": row.id,
        "name": row.name,
        "lane": row.lane,
        "state": row.state,
        "pause_reason": row.pause_reason,
        **counts.as_dict(),
    }


def _line(row: dict[str, object]) -> str:
    numbers = " ".join(
        f"{name} {row[name]}"
        for name in ("succeeded", "pending", "queued", "running", "dead", "held", "cancelled")
        if row[name] or name == "succeeded"
    )
    why = f" ({row['pause_reason']})" if row["pause_reason"] else ""
    photos = f"{row['total']} photos: {numbers} · {row['calls']} calls"
    return f"{row['batch']:>5}  {row['state']}{why}  {photos}  {row['name']}"
