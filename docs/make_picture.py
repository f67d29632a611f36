"""Draw the README's picture from what `make demo` left.

python docs/make_picture.py .cleanplate/demo docs/before-after.jpg
"""

import sys
from pathlib import Path

from PIL import Image, ImageOps

CELL = 300
GAP = 10
SHOWN = (
    "BAG101-17.jpg",
    "BOX101-15.jpg",
    "CHAIR101-19.jpg",
    "SHOE100-4.jpg",
    "VASE100-10.jpg",
    "CUSHION101-23.jpg",
)


def draw(demo: Path, target: Path) -> None:
    """Put six photos before and after, one above the other, into one picture."""
    names = sorted(path.name for path in (demo / "clean").glob("*.*g"))
    chosen = [name for name in SHOWN if name in names][:6] or names[:6]
    width = len(chosen) * (CELL + GAP) + GAP
    sheet = Image.new("RGB", (width, 2 * (CELL + GAP) + GAP), "#e9ebef")
    for column, name in enumerate(chosen):
        for row, folder in enumerate((demo / "catalogue" / "photos", demo / "clean")):
            with Image.open(folder / name) as photo:
                cell = ImageOps.pad(photo.convert("RGB"), (CELL, CELL), color="white")
            sheet.paste(cell, (GAP + column * (CELL + GAP), GAP + row * (CELL + GAP)))
    sheet.save(target, quality=86, optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
