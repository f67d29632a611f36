"""`cleanplate submit`: a source becomes a batch; workers elsewhere run it."""

import json
from typing import Any

import click

from cli.asking import confirm, tell_quote
from cli.commands.run import take_in
from cli.database import open_database
from cli.options import asking_options, batch_options, json_option, read_batch_options, source_argument
from core.settings import load_settings
from db import batches
from db.session import transact


@click.command()
@source_argument
@batch_options
@json_option
@asking_options
def submit(source: str, as_json: bool, dry_run: bool, confirm_over: int, yes: bool, **typed: Any) -> None:
    """Write SOURCE into the database as a batch and print its id; workers run it."""
    settings = load_settings()
    options = read_batch_options(settings, **typed)
    if dry_run:
        tell_quote(settings, source, None, options, json=as_json)
        return
    confirm(settings, source, None, options, yes=yes, over=confirm_over)
    with open_database(settings) as engine:
        intake = transact(engine, lambda connection: take_in(connection, source, None, options, settings))
        batch = transact(engine, lambda connection: batches.get(connection, intake.batch_id))
    if as_json:
        click.echo(json.dumps({"batch": intake.batch_id, "added": intake.added, "resumed": intake.resumed}))
        return
    click.echo(intake.batch_id)
    if batch is not None and batch.state == "paused":
        click.echo(f"Batch {batch.id} is paused ({batch.pause_reason}); see `cleanplate status {batch.id}`.", err=True)
    else:
        click.echo(f"{intake.added} photos wait in batch {intake.batch_id}; `cleanplate up` runs them.", err=True)
