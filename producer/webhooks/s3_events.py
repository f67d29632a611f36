"""`ObjectCreated` events of S3 and MinIO; a token in the header says who sends them."""

import hmac
import re
from collections.abc import Sequence
from urllib.parse import unquote_plus

from core.errors import UsageError
from producer.catalogue.item import storable
from producer.webhooks.delivery import (
    BadSignature,
    Delivery,
    Incoming,
    ShopPhoto,
    body_key,
    list_of,
    read_json,
    text_of,
)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")


def objects_of(shop: str) -> str:
    """Return what the URLs of a connection's objects begin with: its name is `bucket` or `bucket/prefix`."""
    bucket, _, prefix = shop.partition("/")
    return f"s3://{bucket}/{prefix}"


def check_bucket(shop: str) -> None:
    """Refuse a connection's name that is no bucket's.

    Raises:
        UsageError: It is none.
    """
    if not _BUCKET.fullmatch(shop.partition("/")[0]):
        raise UsageError(
            f"A connection of S3 is for one bucket and called like it, as `bucket` or `bucket/prefix`; {shop[:80]!r} "
            "is none. Make one for each bucket."
        )


class S3Events:
    """The token stands in `Authorization: Bearer …`, or in `X-Token`."""

    name = "s3"

    def verify(self, incoming: Incoming, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless the token is one of the secrets."""
        given = incoming.header("authorization").removeprefix("Bearer ").strip() or incoming.header("x-token")
        matches = [hmac.compare_digest(secret.encode(), given.encode()) for secret in secrets]
        if not any(matches):
            raise BadSignature("The token is not one of this connection's.")

    def read(self, incoming: Incoming) -> Delivery:
        """Return the objects that were created; bucket, key and ETag tell a repetition."""
        photos = []
        for record in list_of(read_json(incoming.body).get("Records")):
            stored = record.get("s3")
            bucket, entry = (stored.get("bucket"), stored.get("object")) if isinstance(stored, dict) else (None, None)
            name = text_of(record.get("eventName"))
            if "ObjectCreated" in name and isinstance(bucket, dict) and isinstance(entry, dict):
                key = storable(unquote_plus(text_of(entry.get("key"))))
                if text_of(bucket.get("name")) and key and not key.endswith("/"):
                    photos.append(ShopPhoto(f"s3://{text_of(bucket['name'])}/{key}", text_of(entry.get("eTag"))))
        told = "\n".join(f"{photo.url} {photo.version}" for photo in photos)
        return Delivery(body_key(told.encode()) if photos else body_key(incoming.body), "ObjectCreated", tuple(photos))
