"""Every platform into which photos can be put back, by name."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from producer.writebacks import magento_gallery, woocommerce_images
from producer.writebacks.magento_gallery import MagentoGallery, magento_headers
from producer.writebacks.pace import Pace
from producer.writebacks.shop_api import ShopApi, ShopCaller
from producer.writebacks.shopify_files import ShopifyFiles, shopify_headers
from producer.writebacks.woocommerce_images import WooCommerceImages, woocommerce_headers


@dataclass(frozen=True, slots=True)
class _Kind:
    make: Callable[[ShopCaller], ShopApi]
    headers: Callable[[str], Mapping[str, str]]
    seconds_per_call: float
    fetches: bool


_KINDS = {
    "shopify": _Kind(ShopifyFiles, shopify_headers, 0.0, fetches=True),
    "woocommerce": _Kind(WooCommerceImages, woocommerce_headers, woocommerce_images.SECONDS_PER_CALL, fetches=True),
    "magento": _Kind(MagentoGallery, magento_headers, magento_gallery.SECONDS_PER_CALL, fetches=False),
}

WRITABLE = frozenset(_KINDS)
"""Platforms whose shops take photos back."""
FETCHING = frozenset(name for name, kind in _KINDS.items() if kind.fetches)
"""Those that fetch a photo from our own address."""


def new_pace(platform: str, stop: threading.Event) -> Pace:
    """Return a limiter for one shop of a platform."""
    return Pace(_KINDS[platform].seconds_per_call, stop)


def headers_of(platform: str, token: str) -> Mapping[str, str]:
    """Return what says to a shop of a platform who asks."""
    return _KINDS[platform].headers(token)


def open_shop(platform: str, caller: ShopCaller) -> ShopApi:
    """Return a shop's API."""
    return _KINDS[platform].make(caller)
