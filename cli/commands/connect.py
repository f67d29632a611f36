"""Connections: which shops may send webhooks, and what holds for their photos."""

import re
from typing import Any

import click

from cli.acting import act
from cli.database import open_database
from cli.options import MOST_ID
from core.errors import UsageError
from core.settings import load_settings
from core.states import Lane
from db import connections
from db.session import transact
from producer.catalogue.item import read_elements
from producer.catalogue.url_list import check_url
from producer.webhooks.platforms import PLATFORMS
from producer.webhooks.shop_secrets import check_secret, new_secret

connection_argument = click.argument("connection_id", metavar="ID", type=click.IntRange(1, MOST_ID))
secret_option = click.option(
    "--secret", envvar="WEBHOOK_SECRET", help="Or WEBHOOK_SECRET. Default: a new one, printed."
)


@click.command()
@click.argument("platform", type=click.Choice(list(PLATFORMS)))
@click.argument("shop")
@secret_option
@click.option("--elements", metavar="LIST", default="1,2,3,4", show_default=True, help="What to take off.")
@click.option("--subject-elements", metavar="LIST", help="What to take off the main subject.")
@click.option(
    "--lane", type=click.Choice([lane.value for lane in Lane]), default=Lane.INTERACTIVE.value, show_default=True
)
@click.option("--api-url", metavar="URL", help="BigCommerce: the store's API, …/stores/HASH.")
@click.option("--api-token", envvar="SHOP_API_TOKEN", help="BigCommerce: what may read products. Or SHOP_API_TOKEN.")
@click.option("--match", metavar="REGEX", help="Only photos whose URL it finds.")
@click.option(
    "--callback-url", metavar="URL", help="Where to tell what became of photos; signed, the secret is printed."
)
def connect(
    platform: str,
    shop: str,
    secret: str | None,
    elements: str,
    subject_elements: str | None,
    lane: str,
    api_url: str | None,
    api_token: str | None,
    match: str | None,
    callback_url: str | None,
) -> None:
    """Let SHOP send webhooks of PLATFORM; prints the URL to give to it."""
    outside = read_elements(elements, "--elements")
    options: dict[str, Any] = {"elements": outside, "lane": lane}
    if subject_elements is not None:
        options["subject_elements"] = read_elements(subject_elements, "--subject-elements")
    if platform == "bigcommerce":
        if api_url is None or api_token is None:
            raise click.UsageError("bigcommerce needs --api-url and --api-token: its webhooks carry no photos.")
        options |= {"api_url": check_url(api_url, "--api-url"), "api_token": api_token}
    if match is not None:
        options["match"] = _read_pattern(match)
    if callback_url is not None:
        options["callback_url"] = check_url(callback_url, "--callback-url")
        options["callback_secret"] = new_secret("standard")
    if not outside and not options.get("subject_elements", outside):
        raise click.UsageError("--elements and --subject-elements are both empty: there is nothing to take off.")
    made = new_secret(platform) if secret is None else secret
    check_secret(platform, made)
    settings = load_settings()
    with open_database(settings) as engine:
        shop_connection = act(
            engine,
            "connect",
            f"shop {shop}",
            lambda connection: connections.create(
                connection, platform=platform, shop=shop, secret=made, options=options
            ),
            platform,
        )
    click.echo(f"{settings.web_url}/webhooks/{shop_connection.slug}")
    click.echo(f"Connection {shop_connection.id}: give {shop} this URL; `cleanplate web` answers at it.", err=True)
    if secret is None:
        click.echo(f"Secret (shown this once): {made}", err=True)
    if callback_url is not None:
        click.echo(f"Secret of callbacks (shown this once): {options['callback_secret']}", err=True)


@click.group("connections")
def manage() -> None:
    """Look after connections."""


@manage.command("list")
def list_all() -> None:
    """List the connections that are open."""
    settings = load_settings()
    with open_database(settings) as engine:
        found = transact(engine, connections.list_open)
    for shop in found:
        click.echo(f"{shop.id:>4}  {shop.platform:<12} {shop.shop:<30} {settings.web_url}/webhooks/{shop.slug}")
    if not found:
        click.echo("There is no connection; make one with `cleanplate connect PLATFORM SHOP`.", err=True)


@manage.command()
@connection_argument
@secret_option
def rotate(connection_id: int, secret: str | None) -> None:
    """Make a new secret valid; the one before it stays valid until the next rotation."""
    with open_database(load_settings()) as engine:
        found = {shop.id: shop for shop in transact(engine, connections.list_open)}
        if connection_id not in found:
            raise UsageError(f"There is no open connection {connection_id}.")
        made = new_secret(found[connection_id].platform) if secret is None else secret
        check_secret(found[connection_id].platform, made)
        act(
            engine,
            "rotate secret",
            f"connection {connection_id}",
            lambda connection: connections.add_secret(connection, connection_id, made),
        )
    click.echo(f"Connection {connection_id} takes the new secret and the one before it.", err=True)
    if secret is None:
        click.echo(f"Secret (shown this once): {made}", err=True)


@manage.command()
@connection_argument
def close(connection_id: int) -> None:
    """Take no webhooks of a connection any more; what it brought stays."""
    with open_database(load_settings()) as engine:
        closing = f"connection {connection_id}"
        if not act(engine, "close", closing, lambda connection: connections.close(connection, connection_id)):
            raise UsageError(f"There is no open connection {connection_id}.")
    click.echo(f"Connection {connection_id} is closed.", err=True)


def _read_pattern(match: str) -> str:
    try:
        re.compile(match)
    except re.error as error:
        raise click.UsageError(f"--match {match!r} is no regular expression: {error}.") from error
    return match
