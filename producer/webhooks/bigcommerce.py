"""BigCommerce's `store/product/*`: signed by Standard Webhooks with the raw client secret; carries no photos.

What it names is a product, whose photos its API lists; that is asked later, as shops' APIs may take their time.
"""

from collections.abc import Sequence

from producer.webhooks.delivery import Delivery, Incoming, Photo, read_json, text_of
from producer.webhooks.standard import require_standard

SCOPES = ("store/product/created", "store/product/updated")
PRODUCT_SCHEME = "bigcommerce-product:"


class BigCommerce:
    """The key is the client secret itself, where Standard Webhooks has it in Base64."""

    name = "bigcommerce"

    def verify(self, incoming: Incoming, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless one of the signatures fits and the time is near now."""
        require_standard(incoming, [secret.encode() for secret in secrets])

    def read(self, incoming: Incoming) -> Delivery:
        """Return the product; it is no photo yet."""
        body = read_json(incoming.body)
        scope, data = text_of(body.get("scope")), body.get("data")
        product = text_of(data.get("id")) if isinstance(data, dict) else ""
        photos = (Photo(f"{PRODUCT_SCHEME}{product}"),) if scope in SCOPES and product.isdecimal() else ()
        return Delivery(incoming.header("webhook-id") or text_of(body.get("hash")), scope, photos)
