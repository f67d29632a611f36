"""WooCommerce's REST API v3: a product's images are one list, which is sent whole.

Those that stay are named by their `id` alone, by which they keep their texts; the new one comes by its `src`, which the
shop fetches itself: one that it cannot fetch fails the whole request, and the product stays as it was. The order of the
list is the order of the images. The old attachment stays in the media library.
"""

import base64
from urllib.parse import quote

from producer.webhooks.delivery import list_of, text_of
from producer.writebacks.shop_api import NewPhoto, ShopCaller, ShopMedium

SECONDS_PER_CALL = 0.5


def woocommerce_headers(token: str) -> dict[str, str]:
    """Return what says who asks: `ck_…:cs_…` as basic authentication."""
    return {"Authorization": f"Basic {base64.b64encode(token.encode()).decode()}"}


class WooCommerceImages:
    """The images of a shop's products.

    Args:
        caller: Of this shop.
    """

    def __init__(self, caller: ShopCaller) -> None:
        self._caller = caller

    def read(self, product: str) -> list[ShopMedium]:
        """Return a product's images in their order; none when the product is gone."""
        return _gallery(self._caller.find(_path(product), _words))

    def stands(self, product: str, gallery: list[ShopMedium]) -> bool:
        """Whether a product still has the very list of images that was read: all of it is written at once."""
        return [each.entry for each in self.read(product)] == [each.entry for each in gallery]

    def replace(self, product: str, gallery: list[ShopMedium], medium: ShopMedium, photo: NewPhoto) -> str:
        """Put a photo in the place of one of the list, and return its new id."""
        new = {"src": photo.url, "alt": text_of(medium.entry.get("alt")), "name": text_of(medium.entry.get("name"))}
        images = [new if each.id == medium.id else {"id": int(each.id)} for each in gallery]
        # At once, since what the shop's people do to the list after it was looked at is undone.
        found = self._caller.change(_path(product), {"images": images}, _words, waits=False)
        old = {each.id for each in gallery}
        return next((each.id for each in _gallery(found) if each.id not in old), "")


def _path(product: str) -> str:
    return f"/wp-json/wc/v3/products/{quote(product, safe='')}"


def _words(found: object) -> str:
    return f"{text_of(found.get('code'))}: {text_of(found.get('message'))}" if isinstance(found, dict) else ""


def _gallery(product: object) -> list[ShopMedium]:
    images = list_of(product.get("images")) if isinstance(product, dict) else []
    return [
        ShopMedium(
            text_of(image.get("id")), text_of(image.get("src")), text_of(image.get("date_modified_gmt")), entry=image
        )
        for image in images
    ]
