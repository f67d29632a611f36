"""People who may use the console."""

import sys

import click

from actions import people
from cli.actor import actor
from cli.database import open_database
from cli.speech import ask_secret, say
from console.pages.passwords import flaw_of, hash_password
from core.errors import UsageError
from core.figures import moment
from core.settings import load_settings
from db import users
from db.session import transact
from db.users import Role

name_argument = click.argument("name")
role_option = click.option(
    "--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value, show_default=True
)
password_option = click.option("--password-stdin", is_flag=True, help="Read the password from one line of stdin.")


@click.group()
def user() -> None:
    """Manage who can use the console.

    Viewers can look; operators can also submit, control and review batches; admins can also manage connections, tokens
    and people.
    """


@user.command()
@name_argument
@role_option
@password_option
@click.option("--no-password", is_flag=True, help="Signs in with one-time links, or through a proxy.")
def add(name: str, role: str, password_stdin: bool, no_password: bool) -> None:
    """Add NAME; asks for a password."""
    hashed = None if no_password else hash_password(_read_password(name, from_stdin=password_stdin))
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: people.add(connection, actor(), name, Role(role), hashed))
    say(f"{name} ({role}) can use the console.", err=True)


@user.command("list")
def list_all() -> None:
    """List who can sign in."""
    with open_database(load_settings()) as engine:
        found = transact(engine, users.list_all)
    for person in found:
        seen = "never seen" if person.last_seen_at is None else f"last seen {moment(person.last_seen_at)}"
        how = "password" if person.has_password else "links"
        say(f"{person.name:<30} {person.role:<10} {how:<10} {seen}")
    if not found:
        say("Nobody can sign in yet; add somebody with `cleanplate user add NAME --role admin`.", err=True)


@user.command()
@name_argument
@password_option
def password(name: str, password_stdin: bool) -> None:
    """Change the password of NAME and sign them out everywhere."""
    hashed = hash_password(_read_password(name, from_stdin=password_stdin))
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: people.change_password(connection, actor(), name, hashed))
    say(f"{name} has a new password and is signed out everywhere.", err=True)


@user.command()
@name_argument
@role_option
def role(name: str, role: str) -> None:
    """Change the role of NAME, at once."""
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: people.change_role(connection, actor(), name, Role(role)))
    say(f"{name} is now {role}.", err=True)


@user.command()
@name_argument
def remove(name: str) -> None:
    """Remove NAME and sign them out everywhere."""
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: people.remove(connection, actor(), name))
    say(f"{name} has been removed.", err=True)


@user.command()
@name_argument
def link(name: str) -> None:
    """Print a link that signs NAME in once, within 15 minutes."""
    settings = load_settings()
    with open_database(settings) as engine:
        made = transact(engine, lambda connection: people.make_link(connection, actor(), name))
    say(f"{settings.web_url}/sign-in/{made}")


def _read_password(name: str, *, from_stdin: bool) -> str:
    if from_stdin:
        told = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        told = ask_secret("Password", twice=True)
    else:
        raise click.UsageError("There is no terminal to ask for a password; use --password-stdin, or --no-password.")
    if flaw := flaw_of(told, name):
        raise UsageError(flaw)
    return str(told)
