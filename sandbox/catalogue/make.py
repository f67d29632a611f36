"""Makes the sample catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sandbox.catalogue import furnishings, goods, vessels
from sandbox.catalogue.canvas import Canvas
from sandbox.catalogue.overlays import add_overlays
from sandbox.catalogue.scenes import SCENES

Draw = Callable[[Canvas, float, str], None]

# Each product, the shades it is sold in, and the scenes it fits into.
PRODUCTS: Mapping[str, tuple[Draw, tuple[str, ...], tuple[str, ...]]] = {
    "bottle": (vessels.bottle, ("#2f6f73", "#b8452f", "#3d4a63"), ("studio", "table", "seamless")),
    "mug": (vessels.mug, ("#d9d2c5", "#5b7f95", "#c7694a"), ("table", "studio", "seamless")),
    "box": (goods.box, ("#9c2f3f", "#2f5d50", "#33508a"), ("studio", "seamless", "evening")),
    "shoe": (goods.shoe, ("#3f6fb0", "#a63d40", "#4c7a5a"), ("studio", "seamless", "studio")),
    "bag": (goods.bag, ("#c8b48c", "#5d6f5a", "#7b4b4b"), ("seamless", "studio", "table")),
    "lamp": (vessels.lamp, ("#3d6b72", "#8c3b2e", "#40506b"), ("evening", "studio", "table")),
    "chair": (furnishings.chair, ("#d98a3d", "#4f7d74", "#b9483f"), ("studio", "seamless", "studio")),
    "shirt": (goods.shirt, ("#2e4a7d", "#b23a48", "#3f7a62"), ("linen", "studio", "seamless")),
    "watch": (furnishings.watch, ("#1d2b44", "#27402f", "#3b2230"), ("studio", "linen", "seamless")),
    "vase": (vessels.vase, ("#8f6a4f", "#5f6f77", "#9a7f5c"), ("seamless", "table", "studio")),
    "cushion": (furnishings.cushion, ("#b4553c", "#3c6a8c", "#5a7a4a"), ("studio", "seamless", "linen")),
    "candle": (vessels.candle, ("#e9d9b8", "#d9a7a0", "#b7c4a8"), ("evening", "table", "studio")),
}
MIXES = ((1, 3, 4), (2, 3), (1,), (3, 4), (1, 2), (2, 4), (1, 2, 3, 4), (3,))
SIZES = ((800, 800), (1000, 1000), (720, 900), (640, 800), (864, 1080), (960, 720), (1080, 810))
THREADS = 2


@dataclass(frozen=True)
class Sample:
    """One photo of the catalogue; `path` and `plate` are relative to the catalogue's directory."""

    sku: str
    path: str
    plate: str
    elements: tuple[int, ...]
    width: int
    height: int


def make_catalogue(directory: Path, *, count: int = 24, seed: int = 7, bare_every: int = 0) -> list[Sample]:
    """Writes photos, plates and `manifest.jsonl` into a directory.

    Equal arguments give equal files.

    Args:
        directory: made when it is missing; files of an earlier catalogue are written over.
        count: how many photos.
        seed: chooses colours, scenes, places and lettering.
        bare_every: each so many photos one has nothing on it; 0 for none.
    """
    for name in ("photos", "plates"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(THREADS) as pool:
        samples = list(pool.map(lambda index: _make(directory, index, seed, bare_every), range(count)))
    lines = (json.dumps(asdict(sample)) for sample in samples)
    (directory / "manifest.jsonl").write_text("".join(line + "\n" for line in lines))
    return samples


def _make(directory: Path, index: int, seed: int, bare_every: int) -> Sample:
    rng = np.random.default_rng([seed, index])
    name = list(PRODUCTS)[index % len(PRODUCTS)]
    draw, hues, scenes = PRODUCTS[name]
    round_number = index // len(PRODUCTS)
    width, height = SIZES[(index * 3 + round_number) % len(SIZES)]
    plate = _plate(draw, hues[round_number % 3], scenes[round_number % 3], (width, height), rng)
    elements: tuple[int, ...] = MIXES[(index + 3 * round_number) % len(MIXES)]
    if bare_every and index % bare_every == bare_every - 1:
        elements = ()
    photo = add_overlays(plate, frozenset(elements), rng)
    sku = f"{name.upper()}{100 + round_number}"
    suffix = "png" if index % 8 == 5 else "jpg"
    file = f"{sku}-{index + 1}.{suffix}"
    for folder, picture in (("photos", photo), ("plates", plate)):
        _save(picture, directory / folder / file)
    return Sample(sku, f"photos/{file}", f"plates/{file}", elements, width, height)


def _plate(draw: Draw, hue: str, scene: str, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Products are drawn for a square; a wide picture gets one in its middle."""
    width, height = size
    canvas = Canvas(width, height, rng)
    SCENES[scene](canvas)
    reach = height / width
    if reach >= 1:
        draw(canvas, min(0.88, reach - 0.15) if reach < 1.2 else 0.97, hue)
    else:
        inner = Canvas(height, height, rng)
        left = (width - height) // 2
        inner.pixels = np.ascontiguousarray(canvas.pixels[:, left : left + height])
        draw(inner, 0.88, hue)
        canvas.pixels[:, left : left + height] = inner.pixels
    return canvas.image()


def _save(picture: Image.Image, path: Path) -> None:
    if path.suffix == ".png":
        picture.save(path, compress_level=3)
    else:
        picture.save(path, quality=93, subsampling=0)
