"""WooCommerce's product CSV: all photos of a product in `Images`, parted by a comma and a space."""

from producer.catalogue.shape import Shape

WOOCOMMERCE = Shape(
    name="woocommerce",
    marks=(frozenset({"images", "sku"}), frozenset({"images", "id", "type"})),
    image_columns=("images",),
    sku_columns=("sku", "id"),
    escapes_commas=True,
)
