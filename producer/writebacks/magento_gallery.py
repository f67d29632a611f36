"""Adobe Commerce and Magento: the entries of a product's gallery, each replaced by its content in Base64.

An entry is sent whole: what is left out of it, such as the roles in `types`, is lost. Some versions give a replaced
entry another number; its file's name tells it then.
"""

import base64
from urllib.parse import quote

from producer.webhooks.delivery import text_of
from producer.writebacks.shop_api import NewPhoto, ShopCaller, ShopMedium

SECONDS_PER_CALL = 0.25
MEDIA_PATH = "/media/catalog/product"
_KEPT = ("media_type", "label", "position", "disabled", "types")


def magento_headers(token: str) -> dict[str, str]:
    """Return what says who asks: the access token of an integration."""
    return {"Authorization": f"Bearer {token}"}


class MagentoGallery:
    """The galleries of a shop's products.

    Args:
        caller: Of this shop.
    """

    def __init__(self, caller: ShopCaller) -> None:
        self._caller = caller

    def read(self, product: str) -> list[ShopMedium]:
        """Return a product's images in their order; none when the product is gone."""
        found = self._caller.find(_path(product), _words)
        entries = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        return [
            ShopMedium(text_of(each.get("id")), f"{self._caller.base}{MEDIA_PATH}{text_of(each['file'])}", entry=each)
            for each in entries
            if text_of(each.get("file")) and each.get("media_type") == "image"
        ]

    def stands(self, product: str, gallery: list[ShopMedium]) -> bool:  # noqa: ARG002 - as for all
        """Whether a replacement would undo nothing: it touches one entry alone."""
        return True

    def replace(self, product: str, gallery: list[ShopMedium], medium: ShopMedium, photo: NewPhoto) -> str:  # noqa: ARG002 - as for all
        """Give an entry another content."""
        content = {
            "base64_encoded_data": base64.b64encode(photo.data).decode(),
            "type": photo.media_type,
            "name": photo.name,
        }
        entry = {"id": int(medium.id)} | {name: medium.entry.get(name) for name in _KEPT} | {"content": content}
        self._caller.change(f"{_path(product)}/{quote(medium.id, safe='')}", {"entry": entry}, _words)
        return ""


def _path(product: str) -> str:
    return f"/rest/V1/products/{quote(product, safe='')}/media"


def _words(found: object) -> str:
    return text_of(found.get("message")) if isinstance(found, dict) else ""
