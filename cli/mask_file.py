"""The mask of a whole batch: boxes, or a file of run lengths or with a drawn PNG."""

from pathlib import Path

from core.errors import UsageError
from core.regular import read_regular
from removal.mask import PNG_START, ask_for_boxes, ask_for_drawn, check_asked, read_box

_MOST_BYTES = 50_000_000


def read_batch_mask(path: Path | None, boxes: tuple[str, ...]) -> str | None:
    """Return what photos that bring no mask are asked for; None when neither a file nor a box is given.

    It is held against each photo's size when that is taken in.

    Args:
        path: Text `start length start length …`, or a PNG: what is not transparent, or without transparency not
            black, is to be erased.
        boxes: `x,y,w,h` each.

    Raises:
        UsageError: A mask and boxes are given, one is wrong, or nothing is to be erased in it.
    """
    if path is not None and boxes:
        raise UsageError("--mask and --box both say what to erase; give one of them.")
    if boxes:
        return check_asked(ask_for_boxes(map(read_box, boxes)))
    return None if path is None else _read_file(path)


def _read_file(path: Path) -> str:
    try:
        data = read_regular(path, _MOST_BYTES)
    except OSError as error:
        raise UsageError(f"--mask: cannot read {path}: {error.strerror}.") from error
    try:
        if data.startswith(PNG_START):
            return ask_for_drawn(data)
        return check_asked(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"--mask: {path} is neither text of run lengths nor a PNG.") from error
    except UsageError as error:
        raise UsageError(f"--mask: {path}: {error}") from error
