"""Any other table, and the `failed.csv` we write ourselves."""

from producer.catalogue.shape import Shape

PLAIN_TABLE = Shape(
    name="table",
    marks=(frozenset({"image_url"}),),
    image_columns=("image_url", "image url", "image_link", "image link", "image src", "product image url"),
    sku_columns=(
        "sku",
        "product code/sku",
        "item_sku",
        "seller_sku",
        "custom label (sku)",
        "customlabel",
        "customlabel (sku)",
        "artikelnummer",
        "référence",
        "reference",
        "ugs",
        "id",
    ),
)
