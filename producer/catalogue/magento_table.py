"""Magento's (Adobe Commerce's) product CSV: URLs, or paths below its media folder (`--base-url`)."""

from producer.catalogue.cells import split_names
from producer.catalogue.shape import Shape

MAGENTO = Shape(
    name="magento",
    marks=(frozenset({"sku", "base_image"}), frozenset({"sku", "additional_images"})),
    image_columns=("base_image", "small_image", "thumbnail_image", "swatch_image", "additional_images"),
    sku_columns=("sku",),
    split=split_names,
)
