"""A stand-in for the REST API of Adobe Commerce and Magento, as far as galleries of products go.

By its public reference: `GET /rest/V1/products/<sku>/media` lists entries, `PUT …/media/<id>` takes an entry whole,
with its content in Base64, and answers `true`. Errors are a `message` with parameters. What an entry does not name is
lost; of newer versions one that gets a content gets another id, too.
"""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import unquote

from tests.shops.shop_server import Answer, Asked, ShopServer

API = "/rest/V1/products/"
MEDIA = "/media/catalog/product"


class MagentoStandIn(ShopServer):
    """A shop with products that are known by their SKUs."""

    def __init__(self, token: str = "t-1", secret: str = "secret", *, renumbers: bool = True) -> None:
        super().__init__()
        self._token = token
        self._secret = secret
        self._renumbers = renumbers
        self._next_id = 40
        self.galleries: dict[str, list[dict[str, Any]]] = {}

    def add_product(self, sku: str, photos: list[bytes]) -> None:
        """Add a product with so many photos; the first has all roles."""
        roles = ["image", "small_image", "thumbnail"]
        self.galleries[sku] = [
            {
                "id": self._number(),
                "media_type": "image",
                "label": f"text {n}",
                "position": n + 1,
                "disabled": False,
                "types": roles if n == 0 else [],
                "file": self._keep(f"photo-{n}.png", data),
            }
            for n, data in enumerate(photos)
        ]

    def photo(self, sku: str, place: int) -> bytes:
        """Return the photo that a product shows in a place."""
        return self.files[MEDIA + self.galleries[sku][place]["file"]]

    def webhook(self, sku: str) -> tuple[dict[str, str], bytes]:
        """Return headers and body of what an observer in the shop sends."""
        photos = [{"url": f"{self.url}{MEDIA}{each['file']}", "sku": sku} for each in self.galleries[sku]]
        body = json.dumps({"photos": photos}).encode()
        return {"x-signature": "sha256=" + hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()}, body

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self._token}":
            return Answer(401, {"message": "The consumer isn't authorized to access %resources."})
        sku, _, rest = asked.path.removeprefix(API).partition("/media")
        gallery = self.galleries.get(unquote(sku)) if asked.path.startswith(API) else None
        if gallery is None:
            return Answer(
                404, {"message": "The product that was requested doesn't exist. Verify the product and try again."}
            )
        if asked.method == "GET":
            return Answer(body=gallery)
        return self._update(gallery, rest.removeprefix("/"), asked.body["entry"])

    def _update(self, gallery: list[dict[str, Any]], number: str, entry: dict[str, Any]) -> Answer:
        place = next((n for n, each in enumerate(gallery) if str(each["id"]) == number), None)
        if place is None or str(entry.get("id")) != number:
            return Answer(404, {"message": "No image with the provided ID was found. Verify the ID and try again."})
        content = entry.pop("content", None)
        old = gallery[place]
        gallery[place] = {"types": [], "label": "", "position": 0, "disabled": False, "media_type": "image"} | entry
        gallery[place]["file"] = old["file"]
        if content is not None:
            if len(content["name"]) > 90:
                return Answer(400, {"message": "The image content must be valid base64 encoded data."})
            gallery[place]["file"] = self._keep(content["name"], base64.b64decode(content["base64_encoded_data"]))
            gallery[place]["id"] = self._number() if self._renumbers else old["id"]
        return Answer(body=True)

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id

    def _keep(self, name: str, data: bytes) -> str:
        file = f"/{name[0]}/{name[1]}/{name}"
        while MEDIA + file in self.files:
            stem, dot, suffix = file.rpartition(".")
            file = f"{stem}_1{dot}{suffix}"
        self.files[MEDIA + file] = data
        return file
