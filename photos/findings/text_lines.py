"""Lines of text on a picture, from the detector and the reader whose models RapidOCR's wheel carries."""

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

DETECT_SIDE = 736
DETECT_SCORE = 0.3
"""Lower than for documents: one that is missed is a call that is not made, and what reads like nothing goes later."""

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
        found = self._ocr(picture, use_det=True, use_cls=False, use_rec=True)
        if found.boxes is None or found.txts is None:
            return []
        return [
            ReadLine(np.asarray(corners, np.float32), text, float(score))
            for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        ]


_free: SimpleQueue[LineReader] = SimpleQueue()


def read_lines(picture: Picture) -> list[ReadLine]:
    """Do what `LineReader.read` does with one that nobody uses; the models are loaded when there is none."""
    try:
        reader = _free.get_nowait()
    except Empty:
        reader = LineReader()
    try:
        return reader.read(picture)
    finally:
        _free.put(reader)
