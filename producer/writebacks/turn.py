"""One turn of one photo: look at what stands in the shop, and take the next step from there.

    what stands there            not sent yet              sent
    ──────────────────────────   ───────────────────────   ─────────────────────────────────
    what is wanted               written, without a call   written
    what we took in, or put      keep it, then replace     wait a moment, then replace again
    anything else                skip: it changed          written, if it is of when the shop said yes; else failed

So a turn that was cut off anywhere is made again without harm. What stands there is told by its bytes, which are kept
before they are replaced. A shop may store a photo its own way: bytes that nobody knows are ours when their URL names
what was sent, or when they came as the shop said yes.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection, Engine

from core.errors import CleanplateError, SourceRefused, SourceUnreachable
from core.settings import Settings
from db import artifacts, writebacks
from db.artifacts import artifact_key, public_url
from db.session import transact
from db.store import open_store
from db.sweeping import upload
from db.writebacks import Writeback, place_key
from photos.fetch import Fetcher
from photos.photo import inspect
from producer.webhooks.delivery import ShopPhoto
from producer.webhooks.shop_intake import Ours, take_photos
from producer.writebacks.shop_api import NewPhoto, ShopApi, ShopFailed, ShopMedium, ShopRefused

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 2.0
GIVE_UP_SECONDS = 120.0
"""After which a shop that said yes and still shows the old photo is asked again, and until which what came is ours."""
MOST_SENT_AGAIN = 3
CHANGED = "The photo in the shop is not the one that was cleaned: it was changed there meanwhile. Nothing was written."
IN_DOUBT = "It was sent, and a photo stands there now that need not be ours. Look at it in the shop."
OLD_STAYS = (
    "The shop says yes and shows the old photo. Look at the product, and whether the shop's CDN goes on serving what "
    "it has; then try again."
)
GONE = "The product no longer has this photo. Nothing was written."

_MEDIA_TYPES = {"JPEG": "image/jpeg", "TIFF": "image/tiff"}


class ShopChanged(CleanplateError):
    """The shop has another photo there by now, which nobody overwrites."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a turn needs of its process.

    Args:
        engine: Where photos are written down.
        settings: Where outputs are, and how shops reach them.
        fetcher: Fetches what stands in shops.
    """

    engine: Engine
    settings: Settings
    fetcher: Fetcher


def take_turn(ground: Ground, api: ShopApi, writeback: Writeback) -> None:
    """Take the next step of one photo.

    Raises:
        ShopChanged: Something else stands there.
        Withdrawn: It is not to be written any more.
        ShopRefused, ShopFailed, ShopThrottled, TokenRefused: The shop said so.
    """
    if not (writeback.wanted_sha256 and writeback.wanted_format):
        raise ShopRefused("The photo that is to go there is not kept.")
    heard = transact(ground.engine, partial(writebacks.count_heard, writeback=writeback))
    gallery = api.read(writeback.product)
    medium = find_medium(writeback, gallery)
    if medium is None:
        raise ShopRefused(GONE)
    if medium.fault and writeback.sent_at:
        raise ShopRefused(f"The shop could not use the photo: {medium.fault}")
    if not medium.is_ready:
        transact(ground.engine, partial(writebacks.put_off, writeback_id=writeback.id, seconds=LOOK_AGAIN_SECONDS))
        return
    there = _fetch(ground, medium)
    sha256 = hashlib.sha256(there).hexdigest()
    meant = writeback.sent_sha256 if writeback.sent_at else writeback.wanted_sha256
    key = place_key(medium.url, medium.version)
    known = {writeback.source_sha256, writeback.original_sha256, writeback.artifact_sha256}
    if not writeback.sent_at:
        # It was in doubt whether this came there, and now somebody said what is to be done.
        known.add(writeback.sent_sha256)
    is_old = sha256 in known or key == writeback.written_key
    if sha256 == meant or (not is_old and _came_from_us(writeback, medium)):
        _note_written(ground, writeback, gallery, medium, heard)
    elif writeback.sent_at and not is_old:
        raise ShopRefused(IN_DOUBT)
    elif writeback.answered_at and not _has_waited(ground, writeback):
        transact(ground.engine, partial(writebacks.put_off, writeback_id=writeback.id, seconds=LOOK_AGAIN_SECONDS))
    elif not is_old:
        raise ShopChanged(CHANGED)
    elif writeback.answered_at and writeback.tries >= MOST_SENT_AGAIN:
        raise ShopRefused(OLD_STAYS)
    else:
        if sha256 not in known:
            _keep(ground, there)
            log.info("write-back %s: what it replaces is kept as artifact %s", writeback.id, sha256)
        _replace(ground, api, writeback, gallery, medium, there)


def find_medium(writeback: Writeback, gallery: list[ShopMedium]) -> ShopMedium | None:
    """Return which of a product's photos it is: by its name, by what was sent last, or by where it was taken in."""
    names = [sha256 for sha256 in (writeback.sent_sha256, writeback.artifact_sha256) if sha256]
    tests = (
        lambda each: bool(writeback.media) and each.id == writeback.media,
        lambda each: any(name in each.url for name in names),
        lambda each: place_key(each.url, "") == place_key(writeback.photo_url, ""),
    )
    return next((each for is_it in tests for each in gallery if is_it(each)), None)


def _came_from_us(writeback: Writeback, medium: ShopMedium) -> bool:
    """Whether bytes that nobody knows are what was sent, stored in the shop's own way."""
    if not (writeback.answered_at and writeback.sent_sha256):
        return False
    if writeback.sent_sha256 in medium.url:
        return True
    try:
        came = datetime.fromisoformat(medium.version)
    except ValueError:
        return False
    apart = (came if came.tzinfo else came.replace(tzinfo=UTC)) - writeback.answered_at
    return abs(apart) <= timedelta(seconds=GIVE_UP_SECONDS)


def _has_waited(ground: Ground, writeback: Writeback) -> bool:
    def work(connection: Connection) -> bool:
        return writebacks.is_overdue(connection, writeback.id, GIVE_UP_SECONDS)

    return transact(ground.engine, work)


def _fetch(ground: Ground, medium: ShopMedium) -> bytes:
    try:
        return ground.fetcher.get(medium.url).data
    except SourceUnreachable as error:
        raise ShopFailed(f"what stands in the shop could not be fetched: {error}") from error
    except SourceRefused as error:
        raise ShopRefused(f"What stands in the shop cannot be fetched: {error}") from error


def _replace(
    ground: Ground, api: ShopApi, writeback: Writeback, gallery: list[ShopMedium], medium: ShopMedium, there: bytes
) -> None:
    assert writeback.wanted_sha256 is not None
    assert writeback.wanted_format is not None
    if writeback.original_sha256 is None:
        sha256 = _keep(ground, there)
        transact(ground.engine, partial(writebacks.keep_original, writeback_id=writeback.id, sha256=sha256))
    key = artifact_key(writeback.wanted_sha256, writeback.wanted_format)
    secret = ground.settings.artifact_url_secret.get_secret_value()
    base = ground.settings.artifacts_url
    photo = NewPhoto(
        data=artifacts.fetch(ground.engine, writeback.wanted_sha256),
        url=public_url(base, secret, writeback.wanted_sha256, writeback.wanted_format) if base else "",
        media_type=_MEDIA_TYPES.get(writeback.wanted_format, f"image/{writeback.wanted_format.lower()}"),
        name=key.rpartition("/")[2],
    )
    if not api.stands(writeback.product, gallery):
        # Somebody works on the product; what is sent would undo that.
        transact(ground.engine, partial(writebacks.put_off, writeback_id=writeback.id, seconds=LOOK_AGAIN_SECONDS))
        return
    transact(ground.engine, partial(writebacks.note_sending, writeback=writeback))
    media = api.replace(writeback.product, gallery, medium, photo)
    transact(ground.engine, partial(writebacks.note_answered, writeback=writeback, media=media))


def _keep(ground: Ground, data: bytes) -> str:
    try:
        photo = inspect(data)
    except SourceRefused as error:
        raise ShopRefused(f"What stands in the shop is no photo that could be put back: {error}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    settings = ground.settings
    try:
        store = open_store(settings.artifact_store, settings)
        uploaded = upload(partial(transact, ground.engine), store, artifact_key(sha256, photo.format), data)
    except OSError as error:
        raise ShopFailed(f"the original could not be kept, so nothing was replaced: {error}") from error

    keep = partial(
        artifacts.keep,
        data=data,
        image_format=photo.format,
        width=photo.width,
        height=photo.height,
        uploaded=uploaded,
    )
    return transact(ground.engine, keep)


def _note_written(
    ground: Ground, writeback: Writeback, gallery: list[ShopMedium], medium: ShopMedium, heard: int
) -> None:
    def work(connection: Connection) -> None:
        now_heard = writebacks.count_heard(connection, writeback)
        if now_heard != heard:
            # The shop told of the product after it was read: it is read again.
            writebacks.put_off(connection, writeback.id, 0)
            return
        if heard:
            others = [as_told(writeback, each) for each in gallery if each.id != medium.id]
            take_photos(connection, writeback.shop, others, ours=Ours.of(ground.settings))
        writebacks.note_written(connection, writeback, key=place_key(medium.url, medium.version))

    transact(ground.engine, work)


def as_told(writeback: Writeback, medium: ShopMedium) -> ShopPhoto:
    """Return a photo of a product as the shop's webhooks would tell of it."""
    version = "" if "v=" in medium.url else medium.version
    return ShopPhoto(medium.url, version, writeback.sku, writeback.product, medium.id)
