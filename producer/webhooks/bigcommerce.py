"""BigCommerce's `store/product/*`: signed by Standard Webhooks with the raw client secret; carries no photos.

What it names is a product, whose photos its API lists; that is asked later, as shops' APIs may take their time.
"""

from collections.abc import Sequence

from db.connections import ShopConnection
from producer.webhooks.delivery import Delivery, Incoming, ShopPhoto, list_of, read_json, text_of
from producer.webhooks.standard import require_standard

SCOPES = ("store/product/created", "store/product/updated")


API_URL = "https://api.bigcommerce.com"
SEALED_TOKEN = "sealed_api_token"  # noqa: S105 - the name of an option
"""The option that holds what its API is asked with, encrypted."""
OPEN_TOKEN = "api_token"  # noqa: S105 - the name of an option
"""The same as it was kept before it was encrypted."""


class BigCommerce:
    """The key is the client secret itself, where Standard Webhooks has it in Base64."""

    name = "bigcommerce"

    def verify(self, incoming: Incoming, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless one of the signatures fits and the time is near now."""
        require_standard(incoming, [secret.encode() for secret in secrets])

    def read(self, incoming: Incoming) -> Delivery:
        """Return the product to ask about."""
        body = read_json(incoming.body)
        scope, data = text_of(body.get("scope")), body.get("data")
        product = text_of(data.get("id")) if isinstance(data, dict) else ""
        wanted = (product,) if scope in SCOPES and product.isdecimal() else ()
        return Delivery(incoming.header("webhook-id") or text_of(body.get("hash")), scope, products=wanted)


def photos_request(shop: ShopConnection, product: str, token: str) -> tuple[str, dict[str, str]]:
    """Return the URL and headers that ask for a product's photos.

    Args:
        shop: Its `api_url` ends with the store's hash.
        product: Its number.
        token: What may read products.
    """
    base = str(shop.options.get("api_url") or API_URL).rstrip("/")
    headers: dict[str, str] = {
        "X-Auth-Token": token,
        "Accept": "application/json",
    }
    return f"{base}/v3/catalog/products/{product}/images?limit=250", headers


def photos_of(answer: object, product: str) -> tuple[ShopPhoto, ...]:
    """Return the photos in an answer of the API, the largest of each."""
    listed = list_of(answer.get("data")) if isinstance(answer, dict) else []
    found = [
        ShopPhoto(
            text_of(image.get("url_zoom")) or text_of(image.get("url_standard")),
            text_of(image.get("date_modified")),
            product,
        )
        for image in listed
    ]
    return tuple(photo for photo in found if photo.url)
