"""Looking at some of the photos that would be called for: how many have nothing on them to be called for."""

import random
from collections.abc import Mapping
from importlib import import_module

from core.errors import CleanplateError
from photos.fetch import Fetcher
from photos.findings import asked_for, can_look
from photos.memory import MEMORY
from photos.source import MAX_SOURCE_BYTES, read_source
from quote.inspection import PhotoWish
from quote.offer import Quote

MOST = 60
"""Photos that are looked at for a quote; a quarter of a second each."""


class QuoteSample:
    """Some of all photos that are offered, each as likely as any other; what is below a mask goes whatever it is."""

    def __init__(self) -> None:
        self._offered = 0
        self._drawn: list[PhotoWish] = []
        # Not for secrets; the same source gives the same quote.
        self._random = random.Random(7)  # noqa: S311

    def offer(self, wish: PhotoWish) -> None:
        """Take a photo in, perhaps in the place of another."""
        if wish.mask is not None:
            return
        self._offered += 1
        if len(self._drawn) < MOST:
            self._drawn.append(wish)
        elif (place := self._random.randrange(self._offered)) < MOST:
            self._drawn[place] = wish

    def look(self, quote: Quote, photos: Mapping[str, bytes], *, sure_from: float) -> None:
        """Look at those that were drawn and count; does nothing where the extra `look` is not installed.

        Args:
            quote: Where they are counted.
            photos: Photos whose bytes are here already, by URI.
            sure_from: What is less sure does not count.
        """
        if not can_look():
            return
        look = import_module("photos.findings.look").look
        fetcher = Fetcher(timeout_seconds=1.0, max_bytes=1)
        for wish in self._drawn:
            try:
                data = photos.get(wish.uri)
                if data is None:
                    with MEMORY.hold_files() as take:
                        data = read_source(wish.uri, fetcher, max_bytes=MAX_SOURCE_BYTES, take=take).data
                found = look(data)
            except CleanplateError:
                continue
            quote.looked += 1
            quote.bare += not asked_for(found, wish.elements, wish.subject_elements, sure_from=sure_from)
