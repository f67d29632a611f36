"""A Google Merchant feed as a table; names are written with spaces or with underscores."""

from producer.catalogue.shape import Shape

GOOGLE_TABLE = Shape(
    name="google",
    marks=(frozenset({"id", "image_link"}), frozenset({"id", "image link"})),
    image_columns=("image_link", "image link", "additional_image_link", "additional image link"),
    sku_columns=("id",),
)
