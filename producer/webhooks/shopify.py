"""Shopify's `products/create` and `products/update`.

Headers come with and without `X-`; photos are in `images` and, from API 2024-07 on, in `media`.
"""

import re
from collections.abc import Sequence
from typing import Any

from producer.webhooks.delivery import Delivery, Incoming, ShopPhoto, body_key, list_of, read_json, text_of
from producer.webhooks.hmacs import require

TOPICS = {"products/create", "products/update"}

_VERSION = re.compile(r"[?&]v=\d")


class Shopify:
    """Signs the raw body with the app's client secret."""

    name = "shopify"

    def verify(self, incoming: Incoming, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless `Shopify-Hmac-SHA256` fits."""
        require(incoming.body, _header(incoming, "hmac-sha256"), secrets)

    def read(self, incoming: Incoming) -> Delivery:
        """Return the product's photos; `Webhook-Id` tells a repetition."""
        product = read_json(incoming.body)
        topic = _header(incoming, "topic")
        key = _header(incoming, "webhook-id") or _header(incoming, "event-id") or body_key(incoming.body)
        return Delivery(key, topic, _photos(product) if topic in TOPICS else ())


def _header(incoming: Incoming, name: str) -> str:
    return incoming.header(f"x-shopify-{name}", f"shopify-{name}")


def _photos(product: dict[str, Any]) -> tuple[ShopPhoto, ...]:
    skus = [text_of(variant.get("sku")) for variant in list_of(product.get("variants"))]
    sku = next((sku for sku in skus if sku), "") or text_of(product.get("handle")) or None
    found = [_photo(image.get("src"), image.get("updated_at"), sku) for image in list_of(product.get("images"))]
    for medium in list_of(product.get("media")):
        preview = medium.get("preview_image")
        image = preview if isinstance(preview, dict) else medium
        if text_of(medium.get("media_content_type")).upper() in {"", "IMAGE"}:
            found.append(_photo(image.get("src") or image.get("url"), medium.get("updated_at"), sku))
    once = {photo.url: photo for photo in reversed(found) if photo.url}
    return tuple(once[url] for url in dict.fromkeys(photo.url for photo in found if photo.url))


def _photo(url: object, updated_at: object, sku: str | None) -> ShopPhoto:
    told = text_of(url)
    # `v` in the URL changes with the bytes; the time also with the photo's place and description.
    return ShopPhoto(told, "" if _VERSION.search(told) else text_of(updated_at), sku)
