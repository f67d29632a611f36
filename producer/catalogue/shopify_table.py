"""Shopify's product CSV, with the column names of before and after 2024."""

from producer.catalogue.shape import Shape

SHOPIFY = Shape(
    name="shopify",
    marks=(frozenset({"url handle", "product image url"}), frozenset({"handle", "image src"})),
    image_columns=("product image url", "image src", "variant image url", "variant image"),
    sku_columns=("sku", "variant sku", "url handle", "handle"),
)
