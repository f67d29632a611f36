"""For anything else: a plain JSON body, signed in `X-Signature: sha256=<hex>`.

    curl -H "X-Signature: sha256=$(openssl dgst -sha256 -hmac "$SECRET" -r body.json | cut -d' ' -f1)" \\
        --data-binary @body.json https://…/webhooks/ID

with `{"photos": [{"url": "https://…", "sku": "…", "version": "…"}]}`; a plain URL may stand for an object.
"""

from collections.abc import Sequence
from typing import Any

from producer.webhooks.delivery import (
    BadDelivery,
    Delivery,
    Incoming,
    ShopPhoto,
    body_key,
    is_web_url,
    read_json,
    text_of,
)
from producer.webhooks.hmacs import require

PREFIX = "sha256="


class SignedJson:
    """Signs the raw body; `X-Delivery-Id`, or else the body's hash, tells a repetition."""

    name = "json"

    def verify(self, incoming: Incoming, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless `X-Signature` fits."""
        given = incoming.header("x-signature").removeprefix(PREFIX).lower()
        require(incoming.body, given, secrets, bytes.hex)

    def read(self, incoming: Incoming) -> Delivery:
        """Return the photos in the body."""
        body = read_json(incoming.body)
        key = incoming.header("x-delivery-id") or body_key(incoming.body)
        return Delivery(key, text_of(body.get("type")), photos_in(body))


def photos_in(body: dict[str, Any]) -> tuple[ShopPhoto, ...]:
    """Return the photos of a plain body.

    Raises:
        BadDelivery: `photos` is no list of URLs or objects with a `url`.
    """
    listed = body.get("photos", [])
    if not isinstance(listed, list):
        raise BadDelivery("`photos` must be a list.")
    found = []
    for part in listed:
        photo = {"url": part} if isinstance(part, str) else part
        if not isinstance(photo, dict) or not is_web_url(text_of(photo.get("url"))):
            raise BadDelivery("Each of `photos` must be an http(s) URL, or an object with one as its `url`.")
        url, version, sku = text_of(photo["url"]), text_of(photo.get("version")), text_of(photo.get("sku"))
        found.append(ShopPhoto(url, version, sku or None, media=text_of(photo.get("media"))))
    return tuple(found)
