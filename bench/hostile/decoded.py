"""Hostile pictures in a worker and in the console's process, while ordinary photos are worked on."""

import os
import threading
from collections.abc import Iterator
from functools import partial

from bench.hostile.gauge import Row, gauged
from bench.hostile.pictures import KINDS, jpeg
from core.errors import CleanplateError
from photos import decoders
from photos.decoders.limits import WEB, WORKER

WORKER_MB, WEB_MB = 2000, 1000
LARGEST = 40_000_000
AT_ONCE = {"JPEG of small Exif segments": 20, "PNG of 119 MP, transparent": 6, "TIFF of strips": 20}
"""Of which kinds how many come at the same time; others may wait a second for that."""


def measure() -> Iterator[Row]:
    """Yield a row for each kind, in a worker and in the console, and for twenty of a kind at once."""
    photo = jpeg((1500, 1500))
    for table, name, work, most in (
        (WORKER, "worker", decoders.fit, WORKER_MB),
        (WEB, "console", decoders.thumbnail, WEB_MB),
    ):
        decoders.configure(table)
        work(photo)
        for kind, make in KINDS.items():
            data = make(LARGEST)
            with gauged(
                f"{name}: {kind}, {len(data) / 1e6:.1f} MB", os.getpid(), partial(work, photo), most_mb=most
            ) as row:
                row.answer = _answer(work, data)
            yield row
    decoders.configure(WORKER)
    for kind, at_once in AT_ONCE.items():
        data = KINDS[kind](10_000_000)
        threads = [threading.Thread(target=_answer, args=(decoders.fit, data)) for _ in range(at_once)]
        with gauged(
            f"worker: {at_once} × {kind}", os.getpid(), partial(decoders.fit, photo), most_mb=WORKER_MB, most_wait=1.0
        ) as row:
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        yield row
    decoders.close()


def _answer(work: object, data: bytes) -> str:
    assert callable(work)
    try:
        work(data)
    except CleanplateError as error:
        return f"{getattr(error, 'code', '')}: {error}"
    return "done"
