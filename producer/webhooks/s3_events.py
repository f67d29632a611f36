"""`ObjectCreated` events of S3 and MinIO; a token in the header says who sends them."""

import hmac
from collections.abc import Sequence
from urllib.parse import unquote_plus

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
