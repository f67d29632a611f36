"""Adobe Commerce and Magento, which send no webhooks of their own: an observer in the shop signs a plain JSON body.

As for anything else (`json`), with the product's SKU, and the number of the photo's gallery entry where that is known:
`{"photos": [{"url": "https://…", "sku": "24-MB01", "media": "42"}]}`.
"""

from dataclasses import replace

from producer.webhooks.delivery import Delivery, Incoming
from producer.webhooks.signed_json import SignedJson


class Magento(SignedJson):
    """Signs as `json` does; its API calls a product by its SKU."""

    name = "magento"

    def read(self, incoming: Incoming) -> Delivery:
        """Return the photos in the body."""
        found = super().read(incoming)
        return replace(found, photos=tuple(replace(photo, product=photo.sku or "") for photo in found.photos))
