"""WooCommerce's `product.created` and `product.updated`.

The first request to a new endpoint is a ping, an unsigned form `webhook_id=N`, which wants exactly 200. Delivery ids
repeat within one second, so a repetition is told by the body's hash.
"""

import re
from collections.abc import Sequence

from producer.webhooks.delivery import Delivery, Incoming, ShopPhoto, body_key, list_of, read_json, text_of
from producer.webhooks.hmacs import require

TOPICS = {"product.created", "product.updated", "product.restored"}

_PING = re.compile(rb"webhook_id=\d{1,20}")


class WooCommerce:
    """Signs the raw body with the webhook's secret."""

    name = "woocommerce"

    def verify(self, incoming: Incoming, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless `X-WC-Webhook-Signature` fits, or it is the ping."""
        if not _is_ping(incoming):
            require(incoming.body, incoming.header("x-wc-webhook-signature"), secrets)

    def read(self, incoming: Incoming) -> Delivery:
        """Return the product's photos."""
        if _is_ping(incoming):
            return Delivery(body_key(incoming.body), "ping")
        topic = incoming.header("x-wc-webhook-topic")
        product = read_json(incoming.body)
        sku = text_of(product.get("sku")) or text_of(product.get("id")) or None
        photos = [
            ShopPhoto(
                text_of(image.get("src")),
                text_of(image.get("date_modified_gmt")),
                sku,
                text_of(product.get("id")),
                text_of(image.get("id")),
            )
            for image in list_of(product.get("images"))
        ]
        return Delivery(
            body_key(incoming.body), topic, tuple(photo for photo in photos if photo.url) if topic in TOPICS else ()
        )


def _is_ping(incoming: Incoming) -> bool:
    return _PING.fullmatch(incoming.body.strip()) is not None
