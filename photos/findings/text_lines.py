"""Lines of text on a picture, from the detector and the reader whose models RapidOCR's wheel carries."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import UsageError

Picture = NDArray[np.uint8]
"""Height × width × blue, green, red."""

DETECT_SIDE = 576
"""Of the sample photos with overlays all are found from here on; 736 takes half as long again and finds no more."""

DETECT_SCORE = 0.3
"""Lower than for documents: one that is missed is a call that is not made, and what reads like nothing goes later."""

LOWEST, TALLEST = 0.008, 0.3
"""Heights of lines as shares of the picture's longer side: what is lower nobody can read in a list of photos, and what
is taller is a body that looks like a letter."""

_MODELS = {"Det": "PP-OCRv6_det_small.onnx", "Rec": "PP-OCRv6_rec_small.onnx"}


@dataclass(frozen=True, slots=True)
class ReadLine:
    """What was taken for a line of text.

    Args:
        corners: Four points, clockwise from the top left, pixels.
        text: What it reads.
        score: How sure the reader is, 0 to 1.
    """

    corners: NDArray[np.float32]
    text: str
    score: float

    @property
    def sides(self) -> tuple[float, float]:
        """The shorter and the longer side, pixels."""
        first, second, third, _ = self.corners
        lengths = float(np.linalg.norm(second - first)), float(np.linalg.norm(third - second))
        return min(lengths), max(lengths)


class LineReader:
    """Two models, for one thread at a time; they compute in the thread that asks."""

    def __init__(self) -> None:
        import rapidocr

        cv2.setNumThreads(1)
        folder = Path(rapidocr.__file__).parent / "models"
        params: dict[str, Any] = {
            "Global.log_level": "error",
            "Global.use_cls": False,
            "Global.text_score": 0.0,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
            "Det.limit_type": "max",
            "Det.limit_side_len": DETECT_SIDE,
            "Det.box_thresh": DETECT_SCORE,
        }
        for task, name in _MODELS.items():
            # A model that is named is opened; one that is not would be downloaded when it is missing.
            if not (folder / name).is_file():
                raise UsageError(
                    f"RapidOCR came without its model {name}; install it again: pip install rapidocr==3.10"
                )
            params[f"{task}.model_path"] = str(folder / name)
        self._ocr = rapidocr.RapidOCR(params=params)

    def read(self, picture: Picture) -> list[ReadLine]:
        """Return what looks like lines of text, however little it reads like any."""
        found = self._ocr(picture, use_det=True, use_cls=False, use_rec=False)
        if found.boxes is None:
            return []
        each = [np.asarray(corners, np.float32) for corners in found.boxes]
        longest = max(picture.shape[:2])
        return [self.read_line(picture, corners) for corners in each if _is_sized_like_text(corners, longest)]

    def read_line(self, picture: Picture, corners: NDArray[np.float32]) -> ReadLine:
        """Return what stands at a place; an empty text when nothing does."""
        read = self._ocr(_cut(picture, corners), use_det=False, use_cls=False, use_rec=True)
        text = read.txts[0] if read.txts else ""
        return ReadLine(corners, text, float(read.scores[0]) if text else 0.0)


def _is_sized_like_text(corners: NDArray[np.float32], longest: int) -> bool:
    first, second, third, _ = corners
    height = min(float(np.linalg.norm(second - first)), float(np.linalg.norm(third - second))) / longest
    return LOWEST < height < TALLEST


def _cut(picture: Picture, corners: NDArray[np.float32]) -> Picture:
    """Return a line as a level picture of its own; one that is far taller than wide is laid down."""
    first, second, third, fourth = corners
    wide = max(1, round(max(float(np.linalg.norm(second - first)), float(np.linalg.norm(third - fourth)))))
    tall = max(1, round(max(float(np.linalg.norm(fourth - first)), float(np.linalg.norm(third - second)))))
    level = np.asarray([(0, 0), (wide, 0), (wide, tall), (0, tall)], np.float32)
    moved = cv2.getPerspectiveTransform(corners, level)
    cut = cv2.warpPerspective(picture, moved, (wide, tall), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.rot90(cut) if tall >= 1.5 * wide else cut, np.uint8)


_free: SimpleQueue[LineReader] = SimpleQueue()


@contextmanager
def reader() -> Iterator[LineReader]:
    """Give a reader that nobody uses; the models are loaded when there is none."""
    try:
        free = _free.get_nowait()
    except Empty:
        free = LineReader()
    try:
        yield free
    finally:
        _free.put(free)
