"""`cleanplate alarms`: what is wrong at present, and saying that one knows of it."""

import json

import click
from sqlalchemy import Connection

from actions import alarms as known
from actions.status import find_alarms, look_around
from cli.actor import actor
from cli.colour import say_standing
from cli.database import open_database
from cli.options import json_option
from cli.speech import say
from core.settings import load_settings
from db.session import transact

name_argument = click.argument("name")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def alarms(ctx: click.Context, as_json: bool) -> None:
    """Say all that is wrong at present, the gravest first, and who knows of it."""
    if ctx.invoked_subcommand is not None:
        return
    settings = load_settings()
    with open_database(settings) as engine:
        found = transact(engine, lambda connection: find_alarms(look_around(connection, settings)))
    if as_json:
        say(json.dumps([alarm.as_dict() for alarm in found]))
        return
    for alarm in found:
        say(f"{alarm.name}:")
        say_standing(alarm)
    if not found:
        say("Nothing is wrong.")


@alarms.command()
@name_argument
@click.option(
    "--hours",
    type=click.FloatRange(0, known.MOST_HOURS, min_open=True),
    help="No longer than that.  [default: until it changes; an hour where nobody can tell]",
)
def acknowledge(name: str, hours: float | None) -> None:
    """Tell the alarm NAME quietly until it changes; a new or a worse one is told aloud again."""
    settings = load_settings()

    def work(connection: Connection) -> str:
        return str(known.acknowledge(connection, actor(), name, settings, hours=hours))

    with open_database(settings) as engine:
        say(f"The alarm {name} is {transact(engine, work)}.")


@alarms.command("raise")
@name_argument
def raise_again(name: str) -> None:
    """Tell the alarm NAME aloud again that somebody acknowledged."""
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: known.raise_again(connection, actor(), name))
    say(f"The alarm {name} is told aloud again.")


@alarms.command("ask-now")
def ask_now() -> None:
    """Ask an API at once that is out, or that refuses the account."""
    settings = load_settings()
    with open_database(settings) as engine:
        transact(engine, lambda connection: known.ask_now(connection, actor(), settings))
    say("The API is asked at once, as soon as a photo waits.")
