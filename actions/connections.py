"""Connections: which shops may send webhooks, and what holds for their photos."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from core.errors import NotFound, UsageError
from core.sealed import seal
from core.states import Lane, Screen
from db import audit, connections
from db.connections import WRITEBACKS, ShopConnection
from producer.catalogue.url_list import check_url
from producer.webhooks.bigcommerce import SEALED_TOKEN
from producer.webhooks.guides import GUIDES
from producer.webhooks.platforms import PLATFORMS
from producer.webhooks.s3_events import S3Events, check_bucket
from producer.webhooks.shop_secrets import check_secret, new_secret
from producer.writebacks.shop_apis import FETCHING, WRITABLE

CALLBACKS_PLATFORM = "standard"
"""Callbacks are signed as this platform's webhooks are."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that was made, or has a new secret.

    Args:
        shop: The connection.
        secret: What its webhooks are signed with; shown this once.
        callback_secret: What callbacks about its photos are signed with; None when nobody is called back.
    """

    shop: ShopConnection
    secret: str = field(repr=False)
    callback_secret: str | None = field(default=None, repr=False)


def connect(
    connection: Connection,
    actor: str,
    *,
    platform: str,
    shop: str,
    elements: Sequence[int],
    subject_elements: Sequence[int] | None = None,
    lane: Lane = Lane.INTERACTIVE,
    screen: Screen = Screen.OFF,
    strip_metadata: bool = False,
    secret: str | None = None,
    api_url: str | None = None,
    api_token: str | None = None,
    match: str | None = None,
    callback_url: str | None = None,
    writeback: str = "off",
    token_keys: str = "",
    outputs_url: str = "",
) -> Connected:
    """Let a shop send webhooks.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        platform: How it signs and words them, one of `PLATFORMS`.
        shop: What people call it; of S3 its bucket, with the beginning of keys if it is for a part of it.
        elements: What to take off its photos.
        subject_elements: What to take off the main subject; None for the same.
        lane: Which queue its photos wait in.
        screen: What becomes of photos with nothing to take off.
        strip_metadata: Whether outputs tell nothing beside their picture.
        secret: What it signs with; None makes one.
        api_url: BigCommerce: the store's API; for write-back, the shop's address.
        api_token: BigCommerce: what may read products; for write-back, what may replace photos.
        match: Only photos whose URL this regular expression finds.
        callback_url: Where to tell what became of photos.
        writeback: Whether clean photos go back into the shop: `off`, `ask` (a person) or `auto`.
        token_keys: What the token of the shop's API is encrypted with.
        outputs_url: Where shops can fetch outputs; empty when they cannot.

    Raises:
        UsageError: It could not work.
    """
    if platform not in PLATFORMS:
        raise UsageError("There is no such platform.")
    if not shop.strip():
        raise UsageError("The shop needs a name.")
    options: dict[str, Any] = {"elements": list(elements), "lane": lane.value}
    options |= {"strip_metadata": True} if strip_metadata else {}
    if screen is not Screen.OFF:
        options["screen"] = screen.value
    if subject_elements is not None:
        options["subject_elements"] = list(subject_elements)
    if not elements and not subject_elements:
        raise UsageError("No elements are named, so there is nothing to remove.")
    if platform == "bigcommerce":
        if not api_url or not api_token:
            raise UsageError(
                "BigCommerce needs the URL of its API (--api-url) and a token in SHOP_API_TOKEN, because its webhooks "
                "carry no photos."
            )
        options |= {"api_url": check_url(api_url, "The API's URL"), SEALED_TOKEN: seal(token_keys, api_token)}
    if platform == S3Events.name:
        check_bucket(shop)
    sealed_token = None
    if writeback != "off":
        if platform not in WRITABLE:
            raise UsageError(
                f"Photos can be written back to {_listed(WRITABLE)} only; for other platforms use --callback-url."
            )
        sealed_token = _check_writeback(platform, writeback, api_url, api_token, token_keys, outputs_url)
        options["api_url"] = check_url((api_url or "").rstrip("/"), "The shop's address")
    if match is not None:
        options["match"] = _check_pattern(match)
    callback_secret = None
    if callback_url is not None:
        callback_secret = new_secret(CALLBACKS_PLATFORM)
        options |= {"callback_url": check_url(callback_url, "The callback's URL"), "callback_secret": callback_secret}
    told = new_secret(platform) if secret is None else secret
    check_secret(platform, told)
    made = connections.create(
        connection,
        platform=platform,
        shop=shop,
        secret=told,
        options=options,
        writeback=writeback,
        sealed_token=sealed_token,
    )
    detail = f"{shop}, {platform}" if writeback == "off" else f"{shop}, {platform}, write-back {writeback}"
    audit.note(connection, actor, "connect", f"connection {made.id}", detail)
    return Connected(made, told, callback_secret)


def rotate(connection: Connection, actor: str, connection_id: int, secret: str | None = None) -> Connected:
    """Make a new secret valid; the one before it stays valid until the next rotation.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        connection_id: Which.
        secret: The new one; None makes one.

    Raises:
        NotFound: There is no open connection of this number.
        UsageError: The secret could verify nothing, or the platform signs with its own and none was given.
    """
    found = {shop.id: shop for shop in connections.list_open(connection)}.get(connection_id)
    if found is None:
        raise NotFound(f"There is no open connection {connection_id}.")
    guide = GUIDES[found.platform]
    if secret is None and guide.brings_secret:
        raise UsageError(f"{guide.secret} Nothing was changed.")
    told = new_secret(found.platform) if secret is None else secret
    check_secret(found.platform, told)
    connections.add_secret(connection, connection_id, told)
    audit.note(connection, actor, "rotate secret", f"connection {connection_id}")
    return Connected(found, told)


def close(connection: Connection, actor: str, connection_id: int) -> None:
    """Take no webhooks of a connection any more; what it brought stays.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        connection_id: Which.

    Raises:
        NotFound: There is no connection of this number.
    """
    if not connections.close(connection, connection_id):
        raise NotFound(f"There is no connection {connection_id}.")
    audit.note(connection, actor, "close", f"connection {connection_id}")


def _check_writeback(
    platform: str, mode: str, api_url: str | None, api_token: str | None, token_keys: str, outputs_url: str
) -> str:
    """Return the token as it may be stored."""
    if mode not in WRITEBACKS:
        raise UsageError("Write-back must be off, ask or auto.")
    if not api_url or not (api_token or "").strip():
        raise UsageError("Write-back needs the shop's address (--api-url) and a token for its API (--api-token).")
    if not api_url.lower().startswith("https://"):
        raise UsageError("The shop's address must begin with https://, or its token could be read in transit.")
    if platform in FETCHING and not outputs_url:
        raise UsageError(
            "The shop fetches clean photos itself: set WEB_PUBLIC_URL to the address at which it reaches "
            "`cleanplate web`, or ARTIFACT_PUBLIC_URL. Nothing was connected."
        )
    return seal(token_keys, (api_token or "").strip())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _check_pattern(match: str) -> str:
    try:
        re.compile(match)
    except re.error as error:
        raise UsageError(f"{match!r} is not a valid regular expression: {error}.") from error
    return match
