"""`cleanplate writeback` and `cleanplate restore`: clean photos that go back into shops, and originals after them."""

import click
from sqlalchemy import Connection

from actions import writebacks
from cli.actor import actor
from cli.database import open_database
from cli.options import MOST_ID
from cli.speech import say
from core.errors import NotFound
from core.figures import counted
from core.sealed import new_key
from core.settings import load_settings
from db import connections, writeback_lists
from db.connections import WRITEBACKS
from db.session import transact

connection_argument = click.argument("connection_id", metavar="ID", type=click.IntRange(1, MOST_ID))
photo_option = click.option(
    "--photo", "photos", type=click.IntRange(1, MOST_ID), multiple=True, help="Only this write-back; can be repeated."
)
MOST_SHOWN = 20


@click.group()
def writeback() -> None:
    """Manage clean photos written back to shops. ID is a connection's, from `cleanplate connections list`."""


@writeback.command("new-key")
def make_key() -> None:
    """Print a new SHOP_TOKEN_KEY, which encrypts the tokens of shops."""
    say(new_key())


@writeback.command()
@connection_argument
def status(connection_id: int) -> None:
    """Show the progress of a shop's photos, the calls to its API and what failed."""

    def work(connection: Connection) -> None:
        shop = connections.find_open(connection, connection_id)
        if shop is None:
            raise NotFound(f"There is no connection {connection_id}.")
        say(f"{shop.shop} ({shop.platform}): write-back {shop.writeback}")
        if shop.writing_paused:
            say(f"paused: {shop.writing_paused}")
        for state, count in writeback_lists.count_each(connection, connection_id).items():
            say(f"{state:<12}{count:>8}{'+' if count == writeback_lists.MOST_COUNTED else ''}")
        points = f", {shop.api_points} points" if shop.api_points else ""
        say(f"{'API calls':<12}{shop.api_calls:>8}{points}")
        for state in ("failed", "skipped"):
            for each in writeback_lists.list_some(connection, connection_id, state, limit=MOST_SHOWN):
                say(f"{each.id:>8}  job {each.job_id}  {each.name}  {state}: {each.last_error}")

    with open_database(load_settings()) as engine:
        transact(engine, work)


@writeback.command()
@connection_argument
@click.argument("mode", type=click.Choice(WRITEBACKS))
def mode(connection_id: int, mode: str) -> None:
    """Set whether clean photos are written to a shop: off, ask (a person) or auto."""
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: writebacks.set_mode(connection, actor(), connection_id, mode))
    say(f"Write-back of connection {connection_id} is now {mode}.", err=True)


@writeback.command()
@connection_argument
def pause(connection_id: int) -> None:
    """Stop writing to a shop until `resume`."""
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: writebacks.pause_writing(connection, actor(), connection_id))
    say(f"Paused: nothing more is written to the shop of connection {connection_id}.", err=True)


@writeback.command()
@connection_argument
def resume(connection_id: int) -> None:
    """Resume writing to a shop."""
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: writebacks.resume_writing(connection, actor(), connection_id))
    say(f"Resumed writing to the shop of connection {connection_id}.", err=True)


@writeback.command()
@connection_argument
@photo_option
def release(connection_id: int, photos: tuple[int, ...]) -> None:
    """Write clean photos that wait for approval to a shop."""
    with open_database(load_settings()) as engine:
        count = transact(
            engine, lambda connection: writebacks.release(connection, actor(), connection_id, photos or None)
        )
    say(f"Writing {counted(count, 'photo')} to the shop, through a running dispatcher.", err=True)


@writeback.command()
@connection_argument
@photo_option
def again(connection_id: int, photos: tuple[int, ...]) -> None:
    """Retry photos that could not be written to a shop."""
    with open_database(load_settings()) as engine:
        count = transact(
            engine, lambda connection: writebacks.send_again(connection, actor(), connection_id, photos or None)
        )
    say(f"Retrying {counted(count, 'photo')}.", err=True)


@click.command()
@connection_argument
@photo_option
def restore(connection_id: int, photos: tuple[int, ...]) -> None:
    """Restore the originals in the shop of connection ID, wherever it still shows our results."""
    with open_database(load_settings()) as engine:
        count = transact(
            engine, lambda connection: writebacks.restore(connection, actor(), connection_id, photos or None)
        )
    say(f"Restoring {counted(count, 'original')} in the shop, through a running dispatcher.", err=True)
