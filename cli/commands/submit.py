"""`cleanplate submit`: a source becomes a batch; workers elsewhere run it."""

import json
from typing import Any

import click
from sqlalchemy import Connection

from cli.database import open_database
from cli.options import asking_options, batch_options, json_option, read_batch_options, source_argument
from cli.quoting.confirm import confirm, tell_quote
from cli.running.clean import take_in, tell_of_faults
from cli.speech import say
from core.figures import counted
from core.settings import load_settings
from core.states import called
from db import batches, callbacks, processes, tallies
from db.session import transact
from producer.catalogue.url_list import check_url
from producer.intake import Intake
from producer.webhooks.shop_secrets import new_secret


@click.command()
@source_argument
@batch_options
@json_option
@asking_options
@click.option(
    "--callback-url",
    metavar="URL",
    help="Where to report what became of photos; signed with a secret, which is printed.",
)
def submit(
    source: str, as_json: bool, dry_run: bool, confirm_over: int, yes: bool, callback_url: str | None, **typed: Any
) -> None:
    """Submit SOURCE as a batch and print its id; workers process it."""
    settings = load_settings()
    options = read_batch_options(settings, **typed)
    secret = None if callback_url is None else new_secret("standard")
    if callback_url is not None:
        check_url(callback_url, "--callback-url")
    if dry_run:
        tell_quote(settings, source, None, options, json=as_json)
        return
    confirm(settings, source, None, options, yes=yes, over=confirm_over)

    def work(connection: Connection) -> tuple[Intake, bool]:
        intake = take_in(connection, source, None, options, settings)
        # Who is told already keeps the secret known to them.
        if callback_url is None or secret is None or callbacks.find_target(connection, intake.batch_id) == callback_url:
            return intake, False
        callbacks.set_target(connection, intake.batch_id, url=callback_url, secret=secret)
        return intake, True

    with open_database(settings) as engine:
        intake, is_told = transact(engine, work)
        batch = transact(engine, lambda connection: batches.get(connection, intake.batch_id))
        counts = transact(engine, lambda connection: tallies.counts(connection, intake.batch_id))
        workers = transact(engine, lambda connection: processes.count_alive(connection, "worker"))
    if is_told:
        say(f"Callback secret (shown only once): {secret}", err=True)
    if as_json:
        told = {"batch": intake.batch_id, "added": intake.added, "resumed": intake.resumed}
        say(json.dumps(told | {"unreadable": intake.faults}))
        return
    say(intake.batch_id)
    tell_of_faults(intake)
    if batch is not None and batch.state == "paused":
        say(
            f"Batch {batch.id} is paused ({called(batch.pause_reason or '')}); see `cleanplate status {batch.id}`.",
            err=True,
        )
    else:
        who = counted(workers, "worker is running", "workers are running")
        who = who if workers else "no worker is running: `cleanplate up` starts one"
        waiting = counted(counts.unsettled, "photo is waiting", "photos are waiting")
        say(f"{waiting} in batch {intake.batch_id}; {who}.", err=True)
