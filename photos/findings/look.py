"""One look at a photo: what may have been put over it, how sure that is, and where."""

from collections.abc import Sequence
from difflib import SequenceMatcher

import cv2
import numpy as np

from core.errors import OutputError
from photos.comparison import bad_output
from photos.findings.grounds import Marked, find_block, find_subject, is_solid
from photos.findings.overlay import Box, FindingKind, PhotoFinding
from photos.findings.text_lines import DETECT_SIDE, LOWEST, Picture, ReadLine, reader
from photos.orientation import TURNS, orientation_of
from photos.photo import ARTIFACT_FORMATS
from photos.pictures import Undecodable, most_pixels, opened, reduced

LEAST_SURE = 0.1
"""What is less sure is not kept."""

_SIGNS = "%％$€£¥"
_OF_LETTERS = (0.0, 0.4, 0.85)
_LOW = 0.024
"""From this height on, as a share of the longer side, a line may well be meant to be read in a list of photos."""

_LONG, _UNREADABLE = 3.0, 0.45
_MANY, _FEW_OF_MANY, _OF_PATTERN = 4, 0.4, 0.3
_ALIKE = 0.75
_LEAST_READ, _WELL_READ = 0.2, 0.8


def look(data: bytes) -> list[PhotoFinding]:
    """Return what is on a photo or an output that may have been put over it, most sure first; some is not sure at all.

    Works at a bounded size, in the thread that asks.

    Args:
        data: The file, in any format photos can have.

    Raises:
        OutputError: It is no picture, or has too many pixels.
    """
    return look_at(seen(data))


def seen(data: bytes) -> Picture:
    """Return an upright picture of a photo or an output, as large as it is looked at.

    Raises:
        OutputError: It is no picture, or has too many pixels.
    """
    try:
        with opened(data, ARTIFACT_FORMATS) as image:
            if image.width * image.height > most_pixels(image):
                raise OutputError("output_size", f"The picture unpacks to {image.width}×{image.height}; not decoded.")
            turn = TURNS.get(orientation_of(image))
            small = reduced(image, data, min(DETECT_SIDE, max(image.size)))
    except Undecodable as error:
        raise bad_output(error, data) from error
    upright = small if turn is None else small.transpose(turn)
    return np.asarray(cv2.cvtColor(np.asarray(upright), cv2.COLOR_RGB2BGR), np.uint8)


def look_at(picture: Picture) -> list[PhotoFinding]:
    """Do what `look` does, on decoded pixels."""
    with reader() as free:
        read = free.read(picture)
    lines = [(line, sure) for line in read if (sure := how_sure(line, picture.shape)) >= LEAST_SURE]
    if not lines:
        return []
    subject = find_subject(picture)
    said = [_plain(line.text) for line, _ in lines]
    found = [
        _finding(picture, line, sure, subject, is_again=_is_again(number, said))
        for number, (line, sure) in enumerate(lines)
    ]
    return sorted(found, key=lambda each: -each.sure)


def how_sure(line: ReadLine, shape: Sequence[int]) -> float:
    """Return how sure it is that a line is lettering which was made to be read in a list of photos.

    Folds, seams and whole bodies are taken for letters, too: for single ones, or read with little confidence. A script
    that the reader does not know is read so as well, but makes long lines.
    """
    short, long = line.sides
    height = short / max(shape[:2])
    read = [each for each in line.text.casefold() if each.isalnum() or each in _SIGNS]
    letters = len(read)
    has_sign = any(each in _SIGNS for each in read)
    of_letters = 1.0 if has_sign else _OF_LETTERS[letters] if letters < len(_OF_LETTERS) else 1.0
    of_reading = min(1.0, max(0.0, (line.score - _LEAST_READ) / (_WELL_READ - _LEAST_READ)))
    sure = of_letters * of_reading * (1.0 if has_sign or letters > 2 else line.score)
    if long >= _LONG * short and line.score >= _UNREADABLE:
        sure = max(sure, 0.2 + 0.5 * line.score)
    if letters >= _MANY and len(set(read)) <= _FEW_OF_MANY * letters:
        # Knitting and ribs are read so: mmmnm.
        sure *= _OF_PATTERN
    return sure * min(1.0, max(0.0, (height - LOWEST) / (_LOW - LOWEST)))


def _finding(picture: Picture, line: ReadLine, sure: float, subject: Marked | None, *, is_again: bool) -> PhotoFinding:
    # What lies over a photo again and again is a veil, and stands on what it lies over.
    block = None if is_again else find_block(picture, line)
    left, top, wide, tall = block or cv2.boundingRect(line.corners.astype(np.int32))
    rows, columns = slice(max(0, top), top + tall), slice(max(0, left), left + wide)
    kind = FindingKind.BLOCK if block else FindingKind.MARK if is_again else FindingKind.TEXT
    return PhotoFinding(
        kind,
        _shares((left, top, wide, tall), picture.shape),
        sure,
        is_solid=block is not None or (not is_again and is_solid(picture, line)),
        on_subject=None if subject is None else float(subject[rows, columns].mean()),
        line=tuple((line.corners / (picture.shape[1], picture.shape[0])).ravel().tolist()),
    )


def _is_again(number: int, said: Sequence[str]) -> bool:
    mine = said[number]
    others = (text for place, text in enumerate(said) if place != number)
    # What lies half over the product is read a little differently each time.
    return len(mine) > 2 and any(SequenceMatcher(None, mine, other).ratio() >= _ALIKE for other in others)


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _shares(box: Sequence[int], shape: Sequence[int]) -> Box:
    height, width = shape[:2]
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(width, box[0] + box[2]), min(height, box[1] + box[3])
    return left / width, top / height, (right - left) / width, (bottom - top) / height
