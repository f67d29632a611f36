"""Bearer tokens of the REST API."""

import click

from cli.acting import act
from cli.database import open_database
from cli.options import MOST_ID
from core.errors import UsageError
from core.settings import load_settings
from db import tokens
from db.session import transact
from db.tokens import Scope


@click.group()
def token() -> None:
    """Make and revoke tokens of the REST API."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=[scope.value for scope in Scope],
    show_default=True,
    help="What it allows; may be given several times.",
)
def create(name: str, scopes: tuple[str, ...]) -> None:
    """Make a token called NAME and print it, this once."""
    wanted = [Scope(scope) for scope in dict.fromkeys(scopes)]
    with open_database(load_settings()) as engine:
        row, made = act(
            engine,
            "make token",
            f"token {name}",
            lambda connection: tokens.create(connection, name=name, scopes=wanted),
            ", ".join(wanted),
        )
    click.echo(made)
    click.echo(f"Token {row.id} ({', '.join(row.scopes)}); it is not shown again.", err=True)


@token.command("list")
def list_all() -> None:
    """List the tokens that are valid."""
    with open_database(load_settings()) as engine:
        found = transact(engine, tokens.list_valid)
    for row in found:
        used = "never used" if row.last_used_at is None else f"last used {row.last_used_at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{row.id:>4}  {row.name:<30} {','.join(row.scopes):<22} {used}")
    if not found:
        click.echo("There is no token; make one with `cleanplate token create NAME`.", err=True)


@token.command()
@click.argument("token_id", metavar="ID", type=click.IntRange(1, MOST_ID))
def revoke(token_id: int) -> None:
    """Make a token invalid."""
    with open_database(load_settings()) as engine:
        if not act(engine, "revoke", f"token {token_id}", lambda connection: tokens.revoke(connection, token_id)):
            raise UsageError(f"There is no valid token {token_id}.")
    click.echo(f"Token {token_id} is no longer valid.", err=True)
