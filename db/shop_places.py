"""Queries about where photos stand in shops, as the shops tell of it; `db.writebacks` has what goes there."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from db.plans import by_key
from db.statements import text


@dataclass(frozen=True, slots=True)
class ShopPlace:
    """Where a photo stands in a shop.

    Args:
        job_id: The photo.
        product: The shop's own name for the product.
        media: Its name for the photo in it; empty when it told none.
        photo_url: Where the photo was when it was taken in.
    """

    job_id: int
    product: str
    media: str
    photo_url: str


def expect(connection: Connection, connection_id: int, places: Sequence[ShopPlace]) -> None:
    """Note where photos have their places in a shop; each goes there once it is clean, or now if it is.

    A job that ends, or whose verdict is taken back, at the same moment does so before this or after it, never unseen.
    """
    by_key(connection)
    ids = sorted({place.job_id for place in places})
    connection.execute(text("SELECT 1 FROM jobs WHERE id = ANY(:ids) ORDER BY id FOR SHARE"), {"ids": ids})
    statement = text(
        "INSERT INTO writebacks (connection_id, job_id, key, product, media, photo_url, state) "
        "SELECT c.id, n.job_id, n.key, n.product, n.media, n.url, CASE "
        "WHEN (SELECT j.state FROM jobs AS j WHERE j.id = n.job_id) <> 'succeeded' THEN 'expected' "
        "WHEN c.writeback = 'auto' THEN 'due' ELSE 'clean' END "
        "FROM unnest(CAST(:jobs AS bigint[]), CAST(:keys AS text[]), CAST(:products AS text[]), "
        "CAST(:media AS text[]), CAST(:urls AS text[])) AS n (job_id, key, product, media, url), connections AS c "
        "WHERE c.id = :id ON CONFLICT (connection_id, key, job_id) DO NOTHING"
    )
    keys: dict[str, ShopPlace] = {}
    for place in places:
        key = _key(place.product, place.photo_url)
        # The same photo twice in a product is told apart by what the shop calls it.
        if keys.get(key, place) != place:
            key = _key(place.product, place.photo_url, place.media)
        keys[key] = place
    values = {
        "id": connection_id,
        "jobs": [place.job_id for place in keys.values()],
        "keys": list(keys),
        "products": [place.product for place in keys.values()],
        "media": [place.media for place in keys.values()],
        "urls": [place.photo_url for place in keys.values()],
    }
    connection.execute(statement, values)


def _key(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).hexdigest()


def find_ours(connection: Connection, connection_id: int, keys: list[str]) -> set[str]:
    """Return which of these places (`place_key`) hold what we put there."""
    by_key(connection)
    statement = text("SELECT written_key FROM writebacks WHERE connection_id = :id AND written_key = ANY(:keys)")
    return set(connection.execute(statement, {"id": connection_id, "keys": keys}).scalars())


def hear(connection: Connection, connection_id: int, products: list[str]) -> set[str]:
    """Note that a shop tells of products, and return those that are being written: they are looked at after."""
    statement = text(
        "UPDATE shop_products SET heard = heard + 1 WHERE connection_id = :id AND product = ANY(:products) "
        "RETURNING product"
    )
    return set(connection.execute(statement, {"id": connection_id, "products": products}).scalars())
