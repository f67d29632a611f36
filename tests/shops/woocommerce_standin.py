"""A stand-in for WooCommerce's REST API v3, as far as products and their images go.

By its public reference: `GET` and `PUT /wp-json/wc/v3/products/<id>`, keys as basic authentication, errors as `code`,
`message` and `data.status`. Of an image that has an `id` the `src` is not looked at; one with a `src` alone is fetched
and becomes an attachment with a new id, and when that fails nothing of the product is changed. Texts that are not given
stay. Images that are not in the list leave the product, and their attachments stay in the library.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

from tests.shops.shop_server import Answer, Asked, ShopServer, fetched

API = "/wp-json/wc/v3/products/"


class WooCommerceStandIn(ShopServer):
    """A shop with products that are known by their numbers."""

    def __init__(self, key: str = "ck_1:cs_1", secret: str = "secret") -> None:
        super().__init__()
        self._key = key
        self._secret = secret
        self._next_id = 100
        self.products: dict[int, dict[str, Any]] = {}
        self.library: dict[int, dict[str, Any]] = {}

    def add_product(self, number: int, photos: list[bytes], *, sku: str = "s-1") -> None:
        """Add a product with so many photos, of which each has a text of its own."""
        images = [self._attach(f"photo-{number}-{n}.png", data, alt=f"text {n}") for n, data in enumerate(photos)]
        self.products[number] = {"id": number, "sku": sku, "images": images}

    def change_photo(self, number: int, place: int, data: bytes) -> None:
        """Let the shop's own people put another photo in a place."""
        self.products[number]["images"][place] = self._attach("their-own.png", data, alt="theirs")

    def photo(self, number: int, place: int) -> bytes:
        """Return the photo that a product shows in a place."""
        src: str = self.products[number]["images"][place]["src"]
        return self.files[src.removeprefix(self.url)]

    def webhook(self, number: int) -> tuple[dict[str, str], bytes]:
        """Return headers and body of what is sent when a product was updated."""
        body = json.dumps(self.products[number]).encode()
        signature = base64.b64encode(hmac.new(self._secret.encode(), body, hashlib.sha256).digest()).decode()
        return {"x-wc-webhook-topic": "product.updated", "x-wc-webhook-signature": signature}, body

    def answer(self, asked: Asked) -> Answer:
        told = "Basic " + base64.b64encode(self._key.encode()).decode()
        if asked.headers.get("authorization") != told:
            return _error(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        path = asked.path.partition("?")[0]
        number = path.removeprefix(API)
        product = self.products.get(int(number)) if path.startswith(API) and number.isdecimal() else None
        if product is None:
            return _error(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        if asked.method == "GET":
            return Answer(body=product)
        return self._update(product, asked.body.get("images"))

    def _update(self, product: dict[str, Any], images: list[dict[str, Any]] | None) -> Answer:
        if images is None:
            return Answer(body=product)
        new = []
        for image in images:
            number = image.get("id") or 0
            if number and number not in self.library:
                return _error(400, "woocommerce_product_invalid_image_id", f"#{number} is an invalid image ID.")
            if number:
                attachment = self.library[number]
                attachment.update({key: image[key] for key in ("alt", "name") if key in image})
            else:
                data = fetched(image.get("src", ""))
                if data is None:
                    words = f"Error getting remote image {image.get('src')}. Error: Not Found"
                    return _error(400, "woocommerce_product_image_upload_error", words)
                name = image["src"].partition("?")[0].rpartition("/")[2]
                attachment = self._attach(name, data, alt=image.get("alt", ""), title=image.get("name", ""))
            new.append(attachment)
        product["images"] = new
        return Answer(body=product)

    def _attach(self, name: str, data: bytes, *, alt: str, title: str = "") -> dict[str, Any]:
        self._next_id += 1
        path = f"/wp-content/uploads/{self._next_id}/{name}"
        self.files[path] = data
        self.library[self._next_id] = {
            "id": self._next_id,
            "src": self.url + path,
            "name": title or name,
            "alt": alt,
            "date_modified_gmt": "2026-01-02T03:04:05",
        }
        return self.library[self._next_id]


def _error(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"code": code, "message": message, "data": {"status": status}})
