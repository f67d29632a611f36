"""For people who connect a shop: whose secret its webhooks are signed with, where the URL goes, what its API needs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    """What somebody has to know who connects a shop of a platform.

    Args:
        title: What the platform is called.
        secret: Whose secret signs, and where it is found.
        brings_secret: Whether the platform has a secret of its own, so that one that is made here is of no use.
        url: Where the URL of the connection is entered, and for which events.
        api: What a token of the shop's API needs, and what for; empty when none is used.
    """

    title: str
    secret: str
    brings_secret: bool
    url: str
    api: str = ""


GUIDES: dict[str, Guide] = {
    "shopify": Guide(
        "Shopify",
        "Shopify signs with a secret of its own: your app's client secret, or for webhooks that are made in the admin "
        "the one under Settings → Notifications → Webhooks. Enter that here; one that is made here is never used.",
        True,
        "Events products/create and products/update (admin: “Product creation” and “Product update”), as JSON.",
        "To put photos back: an Admin API access token with the scopes read_products and write_files.",
    ),
    "woocommerce": Guide(
        "WooCommerce",
        "WooCommerce signs with the secret of the webhook, which you enter there: WooCommerce → Settings → Advanced → "
        "Webhooks → Secret. Enter the one that is made here, or one of your own in both places.",
        False,
        "The webhook's Delivery URL, once for “Product created” and once for “Product updated”.",
        "To put photos back: a REST API key with Read/Write permission, as ck_…:cs_….",
    ),
    "bigcommerce": Guide(
        "BigCommerce",
        "BigCommerce signs with the client secret of the API account or app that made the webhook. Enter that here; "
        "one that is made here is never used.",
        True,
        "Destination of webhooks with the scopes store/product/created and store/product/updated.",
        "Always, as its webhooks carry no photos: the store's API URL, …/stores/HASH, and a token with the scope "
        "Products: read-only.",
    ),
    "magento": Guide(
        "Adobe Commerce (Magento)",
        "Magento sends no webhooks itself: an observer in your shop signs the body with the secret that is made here, "
        "as for json.",
        False,
        'Where that observer posts {"photos": [{"url": …, "sku": …}]} with X-Signature: sha256=….',
        "To put photos back: the access token of an integration that may edit products (Catalog → Products).",
    ),
    "standard": Guide(
        "Standard Webhooks",
        "The sender signs with a secret in the form of that specification. Enter ours there, or theirs here.",
        False,
        "The sender's endpoint; photos stand in the body, or in its data.",
    ),
    "s3": Guide(
        "S3 and MinIO",
        "Nothing is signed: the sender shows the secret itself, as Authorization: Bearer …. Enter the one that is made "
        "here as MinIO's auth_token, or as the header of EventBridge's API destination.",
        False,
        "The endpoint of ObjectCreated events. Call the shop like the bucket, or bucket/prefix for a part of it.",
    ),
    "json": Guide(
        "Anything that can sign",
        "The sender signs the body with the secret that is made here: X-Signature: sha256= and the HMAC-SHA256 in hex.",
        False,
        'Where the sender posts {"photos": [{"url": …, "sku": …}]}.',
    ),
}
"""By platform."""
