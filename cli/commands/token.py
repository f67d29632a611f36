"""Bearer tokens of the REST API."""

import click

from actions.tokens import create as create_token
from actions.tokens import revoke as revoke_token
from cli.actor import actor
from cli.database import open_database
from cli.options import MOST_ID
from cli.speech import say
from core.figures import moment
from core.settings import load_settings
from db import tokens
from db.session import transact
from db.tokens import Scope


@click.group()
def token() -> None:
    """Create and revoke REST API tokens."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=[scope.value for scope in Scope],
    show_default=True,
    help="What it allows; can be repeated.",
)
def create(name: str, scopes: tuple[str, ...]) -> None:
    """Create a token called NAME and print it; it is shown only once."""
    wanted = [Scope(scope) for scope in dict.fromkeys(scopes)]
    with open_database(load_settings()) as engine:
        row, made = transact(engine, lambda connection: create_token(connection, actor(), name, wanted))
    say(made)
    say(f"Token {row.id} ({', '.join(row.scopes)}); it will not be shown again.", err=True)


@token.command("list")
def list_all() -> None:
    """List valid tokens."""
    with open_database(load_settings()) as engine:
        found = transact(engine, tokens.list_valid)
    for row in found:
        used = "never used" if row.last_used_at is None else f"last used {moment(row.last_used_at)}"
        say(f"{row.id:>4}  {row.name:<30} {','.join(row.scopes):<22} {used}")
    if not found:
        say("There are no tokens; create one with `cleanplate token create NAME`.", err=True)


@token.command()
@click.argument("token_id", metavar="ID", type=click.IntRange(1, MOST_ID))
def revoke(token_id: int) -> None:
    """Revoke a token."""
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: revoke_token(connection, actor(), token_id))
    say(f"Token {token_id} is revoked.", err=True)
