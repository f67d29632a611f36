"""Connections: which shops may send webhooks, and what holds for their photos."""

import click
from sqlalchemy import Connection

from actions import connections as shops
from actions.connections import Connected
from cli.actor import actor
from cli.database import open_database
from cli.options import MOST_ID
from cli.secrets import secret_option
from cli.speech import say
from core.settings import load_settings
from core.states import Lane, Screen
from db import connections
from db.connections import WRITEBACKS
from db.session import transact
from producer.catalogue.item import read_elements
from producer.webhooks.guides import GUIDES
from producer.webhooks.platforms import PLATFORMS

connection_argument = click.argument("connection_id", metavar="ID", type=click.IntRange(1, MOST_ID))
webhook_secret = secret_option("--secret", "WEBHOOK_SECRET", "The secret it signs with. Default: a new one, printed.")


@click.command()
@click.argument("platform", type=click.Choice(list(PLATFORMS)))
@click.argument("shop")
@webhook_secret
@click.option("--elements", metavar="LIST", default="1,2,3,4", show_default=True, help="What to remove.")
@click.option("--subject-elements", metavar="LIST", help="What to remove from the product itself.")
@click.option(
    "--lane", type=click.Choice([lane.value for lane in Lane]), default=Lane.INTERACTIVE.value, show_default=True
)
@click.option(
    "--screen",
    type=click.Choice([each.value for each in Screen]),
    help="Photos with nothing to remove: process, count or skip them. Default: SCREEN.",
)
@click.option("--strip-metadata", is_flag=True, help="Remove metadata from outputs: no GPS, no Exif.")
@click.option("--api-url", metavar="URL", help="For BigCommerce: …/stores/HASH. For --write-back: the shop's address.")
@secret_option("--api-token", "SHOP_API_TOKEN", "Token for the shop's API, for the same two.")
@click.option(
    "--write-back",
    "writeback",
    type=click.Choice(WRITEBACKS),
    default="off",
    show_default=True,
    help="Write clean photos to the shop: when somebody approves (ask) or at once (auto).",
)
@click.option("--match", metavar="REGEX", help="Only photos whose URL matches.")
@click.option(
    "--callback-url",
    metavar="URL",
    help="Where to report what became of photos; signed with a secret, which is printed.",
)
def connect(
    platform: str,
    shop: str,
    secret: str | None,
    elements: str,
    subject_elements: str | None,
    lane: str,
    screen: str | None,
    strip_metadata: bool,
    api_url: str | None,
    api_token: str | None,
    match: str | None,
    callback_url: str | None,
    writeback: str,
) -> None:
    """Accept webhooks from SHOP on PLATFORM; prints the URL to give to the shop."""
    outside = read_elements(elements, "--elements")
    inside = None if subject_elements is None else read_elements(subject_elements, "--subject-elements")
    settings = load_settings()

    def work(connection: Connection) -> Connected:
        return shops.connect(
            connection,
            actor(),
            platform=platform,
            shop=shop,
            elements=outside,
            subject_elements=inside,
            lane=Lane(lane),
            screen=settings.screen if screen is None else Screen(screen),
            strip_metadata=strip_metadata,
            secret=secret,
            api_url=api_url,
            api_token=api_token,
            match=match,
            callback_url=callback_url,
            writeback=writeback,
            token_keys=settings.shop_token_key.get_secret_value(),
            outputs_url=settings.artifacts_url,
        )

    with open_database(settings) as engine:
        made = transact(engine, work)
    say(f"{settings.web_url}/webhooks/{made.shop.slug}")
    say(f"Connection {made.shop.id}: give {shop} this URL; `cleanplate web` answers at it.", err=True)
    guide = GUIDES[platform]
    if secret is None and guide.brings_secret:
        say(f"{guide.secret} `cleanplate connections rotate {made.shop.id}` takes it from WEBHOOK_SECRET.", err=True)
    elif secret is None:
        say(f"Secret (shown only once): {made.secret}", err=True)
        say(guide.secret, err=True)
    say(guide.url, err=True)
    if made.callback_secret is not None:
        say(f"Callback secret (shown only once): {made.callback_secret}", err=True)


@click.group("connections")
def manage() -> None:
    """Manage connections."""


@manage.command("list")
def list_all() -> None:
    """List connections."""
    settings = load_settings()
    with open_database(settings) as engine:
        found = transact(engine, connections.list_open)
    for shop in found:
        say(f"{shop.id:>4}  {shop.platform:<12} {shop.shop:<30} {settings.web_url}/webhooks/{shop.slug}")
    if not found:
        say("There are no connections; create one with `cleanplate connect PLATFORM SHOP`.", err=True)


@manage.command()
@connection_argument
@webhook_secret
def rotate(connection_id: int, secret: str | None) -> None:
    """Create a new secret; the previous one stays valid until the next rotation."""
    with open_database(load_settings()) as engine:
        made = transact(engine, lambda connection: shops.rotate(connection, actor(), connection_id, secret))
    say(f"Connection {connection_id} accepts the new secret and the previous one.", err=True)
    if secret is None:
        say(f"Secret (shown only once): {made.secret}", err=True)


@manage.command()
@connection_argument
def close(connection_id: int) -> None:
    """Stop accepting webhooks from a connection; its photos are kept."""
    with open_database(load_settings()) as engine:
        transact(engine, lambda connection: shops.close(connection, actor(), connection_id))
    say(f"Connection {connection_id} is closed.", err=True)
