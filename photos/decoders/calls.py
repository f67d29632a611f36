"""What is done to pictures, done where it may break: each takes and gives what its namesake does."""

from dataclasses import replace
from typing import Any

from PIL import Image

from core import errors
from core.errors import DecodersUnavailable, OutputError, SourceRefused, SourceUnreachable
from photos.comparison import JPEG_START, Comparison, SentTiles
from photos.decoders.decoder import Broken, Killed
from photos.decoders.limits import MOST_PIXELS
from photos.decoders.pool import decoders
from photos.decoders.scan import Facts, scan
from photos.fitting import Fitted, Restored
from photos.fitting.restored import restored_undecoded
from photos.photo import ANY_PHOTO, Photo
from removal.bounds import Bounds

__all__ = ["compare", "fit", "inspect", "look_at", "restore", "seen_size_of", "thumbnail"]


def fit(data: bytes, bounds: Bounds | None = None, *, is_plain: bool = False) -> Fitted:
    """As `photos.fitting.fit`; a photo that breaks its decoder is refused as `undecodable`."""
    found: Fitted = _of_source("fit", data, scan(data), bounds, is_plain=is_plain)
    # What is sent as it is does not come back.
    return found if found.sent else replace(found, sent=data)


def inspect(data: bytes, bounds: Bounds = ANY_PHOTO) -> Photo:
    """As `photos.photo.inspect`; a photo that breaks its decoder is refused as `undecodable`."""
    found: Photo = _of_source("inspect", data, scan(data), bounds)
    return found


def look_at(data: bytes) -> Photo:
    """As `photos.looks.look_at`; a photo that breaks its decoder is refused as `undecodable`."""
    found: Photo = _of_source("look_at", data, scan(data))
    return found


def compare(
    sent: bytes,
    output: bytes,
    *,
    box: tuple[int, int, int, int] | None = None,
    mask: Image.Image | None = None,
    seen: SentTiles | None = None,
) -> Comparison:
    """As `photos.comparison.compare`; `output_undecodable` is an output that breaks its decoder."""
    facts = _scan_output(output)
    # What is not read is not copied.
    is_read = seen is None or output == sent or not output.startswith(JPEG_START)
    found: Comparison = _of_output("compare", facts, sent if is_read else b"", output, box=box, mask=mask, seen=seen)
    return found


def restore(
    output: bytes, source_data: bytes, fitted: Fitted, compared: Comparison, *, is_bare: bool = False
) -> Restored:
    """As `photos.fitting.restore`; `output_undecodable` is an output that breaks its decoder."""
    known = restored_undecoded(output, source_data, fitted, compared, is_bare=is_bare)
    if known is not None:
        return known
    facts = max(_scan_output(output), scan(source_data), key=lambda each: each.is_big)
    alone = replace(fitted, tiles=None)
    found: Restored = _of_output("restore", facts, output, source_data, alone, compared, is_bare=is_bare)
    return found


def thumbnail(data: bytes, side: int = 320) -> bytes:
    """As `photos.thumbnails.thumbnail`; `output_undecodable` is a picture that breaks its decoder."""
    found: bytes = _of_output("thumbnail", _scan_output(data), data, side)
    return found


def seen_size_of(data: bytes) -> tuple[int, int]:
    """As `photos.looks.seen_size_of`; `output_undecodable` is a picture that breaks its decoder."""
    found: tuple[int, int] = _of_output("seen_size_of", _scan_output(data), data)
    return found


def _scan_output(data: bytes) -> Facts:
    try:
        return scan(data, MOST_PIXELS)
    except SourceRefused as error:
        raise OutputError("output_size" if error.code == "bomb" else "output_undecodable", str(error)) from error


def _of_source(name: str, data: bytes, facts: Facts, *given: Any, **named: Any) -> Any:
    try:
        return _done(*decoders().run(name, data, *given, is_big=facts.is_big, **named))
    except Broken as error:
        raise SourceRefused(
            "undecodable",
            f"The photo breaks its decoder: {error}. Nothing was paid for it. Save it anew and hand it in again.",
        ) from error
    except Killed as error:
        raise SourceUnreachable(
            "decoder_killed", "What decoded the photo was ended from outside, perhaps for want of memory."
        ) from error


def _of_output(name: str, facts: Facts, *given: Any, **named: Any) -> Any:
    try:
        return _done(*decoders().run(name, *given, is_big=facts.is_big, **named))
    except Broken as error:
        raise OutputError("output_undecodable", f"The picture breaks its decoder: {error}.") from error
    except Killed as error:
        raise DecodersUnavailable(
            "What decoded the picture was ended from outside, perhaps for want of memory; it is kept, and tried again."
        ) from error


def _done(how: str, found: Any) -> Any:
    if how == "done":
        return found
    kind, code, message = found
    refused = getattr(errors, kind) if kind in {"SourceRefused", "SourceUnreachable", "OutputRefused"} else OutputError
    raise refused(code, message)
