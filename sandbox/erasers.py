"""Who erases: the real thing when the extra is installed, flat fills of masks when it is not."""

from __future__ import annotations

import importlib.util
import sys
import threading
from typing import Protocol

from PIL import Image, ImageFilter, ImageStat

from sandbox.wish import Wish

NEEDED = ("numpy", "cv2", "onnxruntime", "rapidocr")


class Eraser(Protocol):
    """Erases what is wished; None means there was nothing to take away."""

    def erase(self, image: Image.Image, wish: Wish) -> Image.Image | None: ...


class FlatEraser:
    """Needs Pillow only: fills a mask with the mean colour around it, and finds nothing by itself."""

    def erase(self, image: Image.Image, wish: Wish) -> Image.Image | None:
        if wish.mask is None or wish.mask.getbbox() is None:
            return None
        mask = wish.mask
        picture = image if image.mode in {"RGB", "RGBA", "L"} else image.convert("RGB")
        around = mask.filter(ImageFilter.MaxFilter(21))
        around.paste(0, mask=mask)
        if around.getbbox() is None:
            around = Image.new("L", mask.size, 255)
        mean = ImageStat.Stat(picture, around).mean
        filled = picture.copy()
        filled.paste(tuple(round(value) for value in mean), mask=mask)
        return filled


_lock = threading.Lock()
_eraser: Eraser | None = None


def why_plain() -> str:
    """Return why this installation cannot really erase and what to do about it; empty when it can."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return (
        f"{', '.join(missing)} not installed, so nothing is searched for: photos come back as they were sent and masks "
        "are filled flat. Install the extra 'sandbox' for real erasing."
    )


def get_eraser() -> Eraser:
    """The best eraser this installation has; says so once on stderr when it is the plain one."""
    global _eraser
    with _lock:
        if _eraser is None:
            flaw = why_plain()
            if flaw:
                sys.stderr.write(f"sandbox: {flaw}\n")
                _eraser = FlatEraser()
            else:
                from sandbox.erase.eraser import OcrEraser

                _eraser = OcrEraser()
        return _eraser
