"""Finds what is wished gone and repairs the photo there."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from PIL import Image

from sandbox.erase.blocks import block_mask
from sandbox.erase.elements import kinds_of
from sandbox.erase.engine import Image8, TextLine, read_lines
from sandbox.erase.glyphs import Bools, clear_line, find_strokes, line_area, window_of
from sandbox.erase.repair import repair
from sandbox.erase.subject import subject_mask
from sandbox.wish import Wish

# Smaller lettering belongs to the product (a scale, a label): overlays are made to be read in a list of photos.
SMALLEST_LINE = 0.018


class OcrEraser:
    """The real thing."""

    def erase(self, image: Image.Image, wish: Wish) -> Image.Image | None:
        """Returns the cleaned picture, or None when there is nothing to take away."""
        picture = np.asarray(cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR), np.uint8)
        result = erase_all(picture, wish)
        if result is None:
            return None
        cleaned = Image.fromarray(cv2.cvtColor(result, cv2.COLOR_BGR2RGB))
        if "A" in image.getbands():
            cleaned.putalpha(image.getchannel("A"))
        return cleaned


def erase_all(picture: Image8, wish: Wish) -> Image8 | None:
    """Does what `OcrEraser.erase` does, on a BGR picture."""
    if wish.mask is not None:
        area = np.asarray(wish.mask)
        return repair(picture, np.zeros_like(area), area) if area.any() else None
    marks = Marks(picture, wish)
    marks.add(read_lines(picture))
    if not marks.any():
        return None
    if marks.solid:
        marks.add_hidden()
    return repair(marks.picture, marks.letters, marks.blocks)


class Marks:
    """What is to be repaired: letters and blocks; the picture itself loses the veils that can be lifted."""

    def __init__(self, picture: Image8, wish: Wish, subject: Bools | None = None) -> None:
        self.picture = picture.copy()
        self.wish = wish
        self.letters = np.zeros(picture.shape[:2], np.uint8)
        self.blocks = np.zeros(picture.shape[:2], np.uint8)
        self.solid: list[TextLine] = []
        self.subject = subject
        if subject is None and wish.subject_elements != wish.other_elements:
            self.subject = subject_mask(picture)

    def add(self, lines: Iterable[TextLine]) -> None:
        """Marks those of the lines that are wished gone."""
        least = SMALLEST_LINE * max(self.letters.shape)
        for line in lines:
            if line.height < least:
                continue
            wanted = self._wanted_at(line)
            block = block_mask(self.picture, line) if 4 in wanted else None
            if block is not None:
                self.blocks |= block
                continue
            strokes = find_strokes(self.picture, line)
            if wanted & kinds_of(line, strokes, self.wish.names):
                self.letters |= clear_line(self.picture, line, strokes)
                if strokes.colour is not None:
                    self.solid.append(line)

    def any(self) -> bool:
        """Whether there is anything to repair."""
        return bool(self.letters.any() or self.blocks.any())

    def add_hidden(self) -> None:
        """Marks the faint lines that lie under solid ones: found as one line, they show once the solid one is gone.

        Only the place is found that way. All of it is repaired at once later, since this first try draws the faint
        strokes into its own fillings.
        """
        bared = self.picture.copy()
        for line in self.solid:
            rows, columns = _around(line, bared)
            crop, hole = np.ascontiguousarray(bared[rows, columns]), np.ascontiguousarray(self.letters[rows, columns])
            bared[rows, columns] = cv2.inpaint(crop, hole, 3, cv2.INPAINT_TELEA)
        below = Marks(bared, self.wish, self.subject)
        for line in self.solid:
            rows, columns = _around(line, bared)
            shift = np.array([columns.start, rows.start], np.float32)
            found = read_lines(np.ascontiguousarray(bared[rows, columns]))
            below.add(TextLine(each.corners + shift, each.text) for each in found)
        lifted = (below.picture != bared).any(axis=2)
        self.picture[lifted] = below.picture[lifted]
        self.letters |= below.letters

    def _wanted_at(self, line: TextLine) -> frozenset[int]:
        """A line belongs to the subject when more than half of its box lies over it."""
        if self.subject is None:
            return self.wish.subject_elements
        box = np.zeros(self.subject.shape, np.uint8)
        cv2.fillConvexPoly(box, line.corners.astype(np.int32), 1)
        over = self.subject[box > 0]
        return self.wish.subject_elements if over.size and over.mean() > 0.5 else self.wish.other_elements


def _around(line: TextLine, picture: Image8) -> tuple[slice, slice]:
    return window_of(line_area(line, picture.shape[:2], grow=0.3), 8)
