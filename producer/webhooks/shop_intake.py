"""A webhook becomes jobs, in one transaction with what it brought: the shop is told 200 only when both are kept."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import Connection

from core.content import content_key
from core.settings import Settings
from core.states import Lane, Screen
from db import artifacts, batches, callbacks, connections, history, lookups, requeues, shop_places
from db.connections import ShopConnection
from db.history import CleanedUrl
from db.shop_places import ShopPlace
from db.statements import text
from db.writebacks import place_key
from producer.catalogue.item import Item, item_key, name_from_url, storable
from producer.catalogue.shape import LONGEST_SKU
from producer.intake import BatchOptions, what_to_take_off
from producer.webhooks.delivery import Delivery, Incoming, ShopPhoto
from producer.webhooks.platforms import PLATFORMS
from producer.webhooks.s3_events import S3Events, objects_of

LONGEST_KEY = LONGEST_TOPIC = 200
LONGEST_MATCHED = 2000
"""Of a URL; expressions that people write may take a square of its length, or more."""

_OUTPUT_NAME = re.compile(r"(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a webhook came to.

    Args:
        is_new: Whether it came for the first time.
        jobs: How many jobs it made.
        batch_id: Theirs; None without any.
    """

    is_new: bool
    jobs: int = 0
    batch_id: int | None = None


@dataclass(frozen=True, slots=True)
class Ours:
    """What tells that a photo needs no work.

    Args:
        artifacts_url: Where our outputs can be fetched, or nothing.
        store: Where they are kept.
        provider: Whose outputs count as clean.
    """

    artifacts_url: str
    store: str
    provider: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return those of an installation."""
        return cls(settings.artifacts_url, settings.artifact_store.rstrip("/"), settings.provider)

    def hold(self, url: str) -> bool:
        """Whether a URL is one of our outputs'."""
        return any(base and url.startswith(f"{base}/") for base in (self.artifacts_url, self.store))


def take_in(connection: Connection, shop: ShopConnection, delivery: Delivery, *, body: bytes, ours: Ours) -> Taken:
    """Keep a webhook and make a job of each photo that is new.

    A photo makes no job when it is one of our own outputs (its URL is ours, its name still holds the output's hash
    after the shop copied it, or it stands where we put it), when this shop told of it before in the same version and
    its job was not cancelled since, or when what its URL holds was cleaned for anybody before. Of a product that is
    being written the photos are looked at when that is over.

    Args:
        connection: An open transaction; the caller commits.
        shop: Who sent it.
        delivery: The webhook, read.
        body: As it came.
        ours: What tells that a photo needs no work.
    """
    products = sorted({storable(photo.product) for photo in delivery.photos if photo.product})
    written = shop_places.hear(connection, shop.id, products) if products else set()
    delivery_id = connections.note_delivery(
        connection,
        shop.id,
        key=_short(storable(delivery.key)),
        topic=storable(delivery.topic)[:LONGEST_TOPIC],
        body=body,
    )
    if delivery_id is None:
        return Taken(is_new=False)
    for product in delivery.products:
        lookups.note(connection, shop.id, product)
    photos = [photo for photo in delivery.photos if storable(photo.product) not in written]
    count, batch_id = take_photos(connection, shop, photos, ours=ours)
    if count:
        connections.note_jobs(connection, delivery_id, count)
    return Taken(is_new=True, jobs=count, batch_id=batch_id)


def take_in_again(connection: Connection, shop: ShopConnection, topic: str, body: bytes, *, ours: Ours) -> int:
    """Read a webhook that was kept once more, and return how many jobs that made: of photos that are not known by now.

    Args:
        connection: An open transaction.
        shop: Who sent it.
        topic: What happened, as it was kept.
        body: As it came.
        ours: What tells that a photo needs no work.

    Raises:
        BadDelivery: It cannot be read.
    """
    headers = {"x-shopify-topic": topic, "x-wc-webhook-topic": topic}
    delivery = PLATFORMS[shop.platform].read(Incoming(headers, body, 0.0))
    for product in delivery.products:
        lookups.note(connection, shop.id, product)
    return take_photos(connection, shop, delivery.photos, ours=ours)[0]


def take_photos(
    connection: Connection, shop: ShopConnection, photos: Iterable[ShopPhoto], *, ours: Ours
) -> tuple[int, int | None]:
    """Make a job of each photo that is new; return how many, and their batch.

    Args:
        connection: An open transaction.
        shop: Whose photos.
        photos: As the shop told of them.
        ours: What tells that a photo needs no work.
    """
    options = options_of(shop)
    told = _wanted(connection, shop, photos, ours)
    found = connections.note_seen(connection, shop.id, sorted({key for key, _ in told}))
    news: dict[str, ShopPhoto] = {}
    for key, photo in told:
        if key in found:
            news.setdefault(key, photo)
    clean = _find_clean(connection, news, options, ours.provider)
    wanted = {key: photo for key, photo in news.items() if key not in clean}
    batch_id = find_batch(connection, shop, options) if wanted else None
    count = 0
    jobs = dict(clean)
    for key, photo in wanted.items():
        assert batch_id is not None
        jobs[key], is_asked = _insert(connection, batch_id, photo, options)
        count += is_asked
    for key, job_id in jobs.items():
        connections.note_job(connection, shop.id, key, job_id)
    _note_places(connection, shop, told, jobs)
    return count, batch_id


def _note_places(
    connection: Connection, shop: ShopConnection, told: Iterable[tuple[str, ShopPhoto]], jobs: dict[str, int]
) -> None:
    """Note all places of photos in products, also those of photos that were taken in for another product before."""
    placed = [(key, photo) for key, photo in told if photo.product]
    others = sorted({key for key, _ in placed if key not in jobs})
    jobs = jobs | (connections.find_jobs(connection, shop.id, others) if others else {})
    places = [
        ShopPlace(jobs[key], storable(photo.product), storable(photo.media), storable(photo.url))
        for key, photo in placed
        if key in jobs
    ]
    if places:
        shop_places.expect(connection, shop.id, places)


def _short(key: str) -> str:
    """Return a key that an index takes, however long it came."""
    return key if len(key) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()


def options_of(shop: ShopConnection) -> BatchOptions:
    """Return what holds for a shop's photos."""
    told: dict[str, Any] = shop.options
    elements = tuple(told.get("elements", (1, 2, 3, 4)))
    return BatchOptions(
        elements=elements,
        subject_elements=tuple(told.get("subject_elements", elements)),
        lane=Lane(told.get("lane") or Lane.INTERACTIVE),
        screen=Screen(told.get("screen") or Screen.OFF),
        strip_metadata=bool(told.get("strip_metadata")),
    )


def find_batch(connection: Connection, shop: ShopConnection, options: BatchOptions) -> int:
    """Return the shop's batch of today (UTC), which goes on if it had ended."""
    today = datetime.now(UTC).date().isoformat()
    key = f"connection {shop.id} {today}"
    found = batches.find_newest(connection, key)
    if found is None:
        kept = json.dumps(options.as_dict() | {"connection": shop.id})
        made = batches.create(
            connection,
            name=f"{shop.shop} {today}",
            source_key=key,
            lane=options.lane,
            options=kept,
            made_by=f"{shop.platform} {shop.shop}",
        )
        if told := shop.options.get("callback_url"):
            callbacks.set_target(connection, made, url=told, secret=shop.options["callback_secret"])
        return made
    batches.reopen(connection, found)
    return found


def _wanted(
    connection: Connection, shop: ShopConnection, photos: Iterable[ShopPhoto], ours: Ours
) -> list[tuple[str, ShopPhoto]]:
    """Return the photos that are the shop's own, each as often as it was told of, with what it is known by."""
    pattern = shop.options.get("match")
    # Objects are read with rights that only we have, so a connection is for its own bucket; nobody may name files.
    schemes = (objects_of(shop.shop),) if shop.platform == S3Events.name else ("https://", "http://")
    found = [
        (hashlib.sha256(f"{photo.url}\x00{photo.version}".encode("utf-8", "replace")).hexdigest(), photo)
        for photo in photos
        if (photo.url if shop.platform == S3Events.name else photo.url.lower()).startswith(schemes)
        and not ours.hold(photo.url)
        and not (pattern and not re.search(pattern, photo.url[:LONGEST_MATCHED]))
    ]
    places = {key: place_key(photo.url, photo.version) for key, photo in found if photo.product}
    if places:
        put = shop_places.find_ours(connection, shop.id, sorted(places.values()))
        found = [(key, photo) for key, photo in found if places.get(key) not in put]
    names = {name for _, photo in found for name in _OUTPUT_NAME.findall(photo.url)}
    outputs = artifacts.find_known(connection, sorted(names)) if names else set()
    return [(key, photo) for key, photo in found if not outputs.intersection(_OUTPUT_NAME.findall(photo.url))]


def _find_clean(
    connection: Connection, photos: dict[str, ShopPhoto], options: BatchOptions, provider: str
) -> dict[str, int]:
    """Return the photos that were cleaned for anybody before, each with a job that did."""
    urls = sorted({storable(photo.url) for photo in photos.values()})
    if not urls:
        return {}
    since: dict[str, CleanedUrl] = {}
    for row in history.find_cleaned_urls(connection, urls, None):
        if row.content_key == content_key(provider, row.sha256, options.elements, options.subject_elements, None):
            since[row.url] = max(row, since.get(row.url, row), key=lambda each: each.since)
    # One that tells too much, or too little, is made anew of what is kept, without a call.
    bare = history.list_bare(connection, [row.job_id for row in since.values()])
    since = {url: row for url, row in since.items() if (row.job_id in bare) == options.strip_metadata}
    clean = {key: since[url] for key, photo in photos.items() if (url := storable(photo.url)) in since}
    return {key: row.job_id for key, row in clean.items() if _is_clean(photos[key], row.since)}


def _is_clean(photo: ShopPhoto, since: datetime) -> bool:
    """Whether the photo behind a URL is still the one that was fetched and cleaned then."""
    if not photo.version:
        return True
    try:
        changed = datetime.fromisoformat(photo.version)
    except ValueError:
        # A hash, say: the same URL may hold another photo by now.
        return False
    return (changed if changed.tzinfo else changed.replace(tzinfo=UTC)) < since


def _insert(connection: Connection, batch_id: int, photo: ShopPhoto, options: BatchOptions) -> tuple[int, bool]:
    """Return a photo's job, and whether it is to run because of this: it is new, or was cancelled before."""
    url = storable(photo.url)
    item = Item(
        uri=url, name=name_from_url(url), sku=photo.sku and storable(photo.sku)[:LONGEST_SKU], version=photo.version
    )
    elements, subject, mask = what_to_take_off(item, options)
    statement = text(
        "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, sku, elements, subject_elements, mask) "
        "VALUES (:batch_id, 'pending', :uri, :key, :name, :sku, :elements, :subject, :mask) "
        "ON CONFLICT (batch_id, item_key) DO NOTHING RETURNING id"
    )
    values = {
        "batch_id": batch_id,
        "uri": item.uri,
        "key": item_key(item, elements, subject),
        "name": storable(item.name),
        "sku": item.sku,
        "elements": list(elements),
        "subject": list(subject),
        "mask": mask,
    }
    made = connection.execute(statement, values).scalar_one_or_none()
    if made is not None:
        return made, True
    there = text("SELECT id FROM jobs WHERE batch_id = :batch_id AND item_key = :key")
    job_id = int(connection.execute(there, values).scalar_one())
    return job_id, requeues.revive(connection, [job_id]) == 1
