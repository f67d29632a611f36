"""Every platform, by name."""

from producer.webhooks.bigcommerce import BigCommerce
from producer.webhooks.delivery import Platform
from producer.webhooks.magento import Magento
from producer.webhooks.s3_events import S3Events
from producer.webhooks.shopify import Shopify
from producer.webhooks.signed_json import SignedJson
from producer.webhooks.standard import StandardWebhooks
from producer.webhooks.woocommerce import WooCommerce

PLATFORMS: dict[str, Platform] = {
    platform.name: platform
    for platform in (Shopify(), WooCommerce(), BigCommerce(), Magento(), StandardWebhooks(), S3Events(), SignedJson())
}
