"""Shopify's `products/create` and `products/update`.

Headers come with and without `X-`; photos are in `images` and, from API 2024-07 on, in `media`.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
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
    name = text_of(product.get("admin_graphql_api_id"))
    found: dict[str, ShopPhoto] = {}
    for image in list_of(product.get("images")):
        url = text_of(image.get("src"))
        found.setdefault(url, ShopPhoto(url, _version(url, image.get("updated_at")), sku, name))
    for medium in list_of(product.get("media")):
        preview = medium.get("preview_image")
        image = preview if isinstance(preview, dict) else medium
        url = text_of(image.get("src") or image.get("url"))
        if text_of(medium.get("media_content_type")).upper() in {"", "IMAGE"}:
            known = found.setdefault(url, ShopPhoto(url, _version(url, medium.get("updated_at")), sku, name))
            # Images have numbers of their own, which the API of files does not know.
            found[url] = replace(known, media=text_of(medium.get("admin_graphql_api_id")))
    return tuple(photo for photo in found.values() if photo.url)


def _version(url: str, updated_at: object) -> str:
    # `v` in the URL changes with the bytes; the time also with the photo's place and description.
    return "" if _VERSION.search(url) else text_of(updated_at)
