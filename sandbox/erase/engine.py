"""The text detector and reader: RapidOCR with the models its wheel carries."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue

import cv2
import numpy as np
from numpy.typing import NDArray

Image8 = NDArray[np.uint8]
Points = NDArray[np.float32]

# The detector sees the photo at this longest side at most: smaller loses faint marks, larger only costs time.
DETECT_SIDE = 1088
DETECT_SCORE = 0.4
# Buckles and seams are taken for single letters now and then; words are not.
READ_SCORE = 0.5
SHORT_READ_SCORE = 0.85
SHORT = 3
LEAST_LETTERS = 2


@dataclass(frozen=True)
class TextLine:
    """A line of text: its four corners, clockwise from top left, and what it says."""

    corners: Points
    text: str

    @property
    def height(self) -> float:
        """Length of the shorter side of the line's box, pixels."""
        a, b, c, _ = self.corners
        return float(min(np.linalg.norm(b - a), np.linalg.norm(c - b)))


class Engine:
    """One model, for one thread at a time.

    It computes in the thread that asks: threads of its own wait for each other busily, which costs half as much again.
    """

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        cv2.setNumThreads(1)
        self._ocr = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.use_cls": False,
                "Global.max_side_len": 4000,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                # Else a tenth of the time goes into getting the same memory from the system again for each photo.
                "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
                "Det.limit_type": "max",
                "Det.limit_side_len": DETECT_SIDE,
                "Det.box_thresh": DETECT_SCORE,
            }
        )

    def read(self, picture: Image8) -> list[TextLine]:
        """Finds lines of text and reads them (BGR picture); leaves out what does not read like text."""
        found = self._ocr(picture, use_det=True, use_cls=False, use_rec=True)
        if found.boxes is None or found.txts is None:
            return []
        lines = zip(found.boxes, found.txts, found.scores, strict=True)
        return [
            TextLine(np.asarray(box, np.float32), text) for box, text, score in lines if reads_like_text(text, score)
        ]


def reads_like_text(text: str, score: float) -> bool:
    """Whether the reader is sure enough; the shorter the text, the surer it must be."""
    letters = sum(letter.isalnum() for letter in text)
    return letters >= LEAST_LETTERS and score >= (SHORT_READ_SCORE if letters <= SHORT else READ_SCORE)


_free: SimpleQueue[Engine] = SimpleQueue()


def read_lines(picture: Image8) -> list[TextLine]:
    """Does what `Engine.read` does, on an engine nobody uses at the moment; loads the models when there is none."""
    try:
        engine = _free.get_nowait()
    except Empty:
        engine = Engine()
    try:
        return engine.read(picture)
    finally:
        _free.put(engine)
