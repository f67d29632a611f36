"""Reading run lengths from text that people, editors and other programs wrote."""

from core.errors import UsageError
from removal.mask.area import Mask
from removal.mask.runs import MAX_RUNS, Order, Run, check_order, check_origin, check_size

MAX_CHARACTERS = 10_000_000
"""`MAX_RUNS` of the longest numbers that can occur fit into it."""

_QUOTED = 24
_LONGEST_NUMBER = 18
_BYTE_ORDER_MARK = "\ufeff"


def read_mask(text: str, width: int, height: int, *, order: Order = "row", origin: int = 0) -> Mask:
    """Return the mask that run lengths describe: `start length start length …`.

    Any white space and commas part the numbers. Runs may come in any order and overlap. Text without a number is the
    empty mask: see `Mask.area`.

    Args:
        text: The run lengths.
        width: Of the photo, pixels.
        height: Of the photo, pixels.
        order: Whether pixels are counted along rows or down columns.
        origin: The number of the first pixel, 0 or 1.

    Raises:
        UsageError: It is not a list of such pairs within the photo; the message says which run is wrong, and how.
    """
    check_size(width, height)
    check_order(order)
    check_origin(origin)
    runs = _pairs(_numbers(text), width, height, origin)
    return Mask(width, height, runs) if order == "row" else Mask.from_columns(width, height, runs)


def _numbers(text: str) -> list[int]:
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"The mask's text has more than {MAX_CHARACTERS:,} characters, which is the most.")
    words = text.removeprefix(_BYTE_ORDER_MARK).replace(",", " ").split(None, 2 * MAX_RUNS)
    if len(words) > 2 * MAX_RUNS:
        raise UsageError(f"The mask's text has more than {MAX_RUNS:,} runs, which is the most.")
    joined = "".join(words)
    # One look at all of it: a million looks at a number each would take longer than everything else.
    if joined and not (joined.isascii() and joined.isdigit()):
        raise _unreadable(words)
    if len(words) % 2:
        raise UsageError(
            f"The mask's text has {len(words)} numbers; they come in pairs of start and length, and the last one, "
            f"{_quoted(words[-1])}, is alone."
        )
    if max(map(len, words), default=0) > _LONGEST_NUMBER:
        words = [word.lstrip("0")[: _LONGEST_NUMBER + 1] or "0" for word in words]
    return [int(word) for word in words]


def _pairs(numbers: list[int], width: int, height: int, origin: int) -> tuple[Run, ...]:
    end = width * height + origin
    runs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    for place, (start, length) in enumerate(runs, 1):
        if start < origin or length < 1 or start + length > end:
            raise UsageError(_wrong(place, start, length, width, height, origin))
    return runs if origin == 0 else tuple([(start - origin, length) for start, length in runs])


def _wrong(place: int, start: int, length: int, width: int, height: int, origin: int) -> str:
    what = f"Run {place} of the mask, {_number(start)} {_number(length)},"
    if length < 1:
        return f"{what} has no length; runs are pairs of start and length."
    if start < origin:
        return f"{what} starts before the first pixel, which is number {origin}."
    last = width * height + origin - 1
    return f"{what} goes beyond the photo: {width}×{height} pixels end at number {last}."


def _unreadable(words: list[str]) -> UsageError:
    place, word = next((place, word) for place, word in enumerate(words, 1) if not (word.isascii() and word.isdigit()))
    if word.startswith("-") and word[1:].isdigit():
        return UsageError(f"Number {place} of the mask, {_quoted(word)}, is negative.")
    return UsageError(
        f"Number {place} of the mask is {_quoted(word)}; only whole numbers can stand there, parted by spaces."
    )


def _quoted(word: str) -> str:
    # As Python would write it, so that no stray control character reaches a terminal.
    return ascii(word if len(word) <= _QUOTED else f"{word[:_QUOTED]}...")


def _number(number: int) -> str:
    digits = str(number)
    return digits if len(digits) <= _LONGEST_NUMBER else f"{digits[:_LONGEST_NUMBER]}..."
