"""The mask of a whole batch, from a file: run lengths or a drawn PNG."""

from pathlib import Path

from core.errors import UsageError
from removal.mask import MAX_CHARACTERS, MAX_RUNS, Mask, Order
from worker.pictures import Undecodable, decode, opened

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_BYTES = 50_000_000


def read_mask_file(path: Path, order: Order, origin: int) -> str:
    """Return the run lengths in a file, or of a drawn mask, as photos of the batch get them.

    They are held against each photo's size when it is taken in.

    Args:
        path: Text `start length start length …`, or a PNG: what is not transparent, or without transparency not
            black, is to be erased.
        order: How the API counts pixels, for a drawn mask.
        origin: The number of the first pixel there.

    Raises:
        UsageError: It is neither, or nothing is to be erased in it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--mask: cannot read {path}: {error.strerror}.") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"--mask: {path} is larger than any mask.")
    text = _from_png(path, data, order, origin) if data.startswith(_PNG) else _from_text(path, data)
    if not text:
        raise UsageError(f"--mask: {path} is empty: there is nothing to erase in it.")
    return text


def _from_png(path: Path, data: bytes, order: Order, origin: int) -> str:
    try:
        with opened(data, ("PNG",)) as image:
            decode(image, data)
            return Mask.from_image(image).to_rle(order, origin)
    except Undecodable as error:
        raise UsageError(f"--mask: {path} cannot be read as a PNG: {error}.") from error


def _from_text(path: Path, data: bytes) -> str:
    try:
        words = data.decode("utf-8-sig").replace(",", " ").split()
    except UnicodeDecodeError as error:
        raise UsageError(f"--mask: {path} is neither text of run lengths nor a PNG.") from error
    if not all(word.isascii() and word.isdigit() for word in words) or len(words) % 2:
        raise UsageError(
            f"--mask: {path} holds no run lengths: pairs of numbers, `start length start length …`. "
            "`cleanplate mask encode` makes them."
        )
    if len(data) > MAX_CHARACTERS or len(words) > 2 * MAX_RUNS:
        raise UsageError(f"--mask: {path} has more than {MAX_RUNS:,} runs, which is the most.")
    return " ".join(words)
