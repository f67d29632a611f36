"""From an output link to verified bytes, made like the source, and whether they look right."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from core.errors import OutputError, OutputRefused, SourceError, SourceUnreachable
from core.states import NOT_KEPT
from db.twins import Made
from photos.comparison import SentTiles
from photos.decoders import compare, fit, restore
from photos.fetch import Fetcher
from photos.fitting import Fitted
from photos.metadata import rewritten
from worker.prepare import Prepared

HOLD_UNCHANGED_BELOW = 0.00001
"""A photo of 9 megapixels on which no 16×16 pixels changed is below; one with a single word taken off is above."""

HOLD_CHANGED_ABOVE = 0.9


@dataclass(frozen=True, slots=True)
class Output:
    """Verified output bytes, made like the source.

    Args:
        data: The file.
        format: Pillow's name; the source's, or `PNG` when that cannot be written.
        width: Pixels as stored.
        height: Pixels as stored.
        changed_ratio: Share of the photo that differs from what was sent, 0 to 1.
        bytes_received: How large the API's own output was.
        changed_inside: Share of the mask that differs; None without a mask.
        changed_outside: Share of the rest that differs; None without a mask.
        changed: The photo's tiles, a pixel each: 255 where they differ.
        losses: What could not be kept as it is in the source, in words.
    """

    data: bytes = field(repr=False)
    format: str
    width: int
    height: int
    changed_ratio: float
    bytes_received: int
    changed_inside: float | None = None
    changed_outside: float | None = None
    changed: Image.Image | None = field(default=None, repr=False, compare=False)
    losses: tuple[str, ...] = ()

    @property
    def loss(self) -> str | None:
        """What could not be kept, as a sentence; None when all is."""
        return f"{NOT_KEPT}{'; '.join(self.losses)}." if self.losses else None


def collect(url: str, photo: Prepared, fetcher: Fetcher, *, is_bare: bool = False) -> Output:
    """Download the output, check that it is the same picture's clean plate, and return it as the source was.

    Args:
        url: Where the API put the output; such links expire, so this runs right after the call.
        photo: What was sent.
        fetcher: Checks addresses, sizes and times.
        is_bare: Whether it is to tell nothing beside its picture.

    Raises:
        SourceUnreachable: The link did not answer this time.
        OutputRefused: Our own limits forbid to fetch it.
        OutputError: What is behind it is not the picture we asked for.
    """
    data = _download(url, fetcher)
    fitted = photo.fitted
    mask = photo.mask.to_image() if photo.mask is not None else None
    seen = SentTiles(fitted.sent_size, fitted.tiles) if fitted.tiles is not None else None
    compared = compare(fitted.sent, data, box=fitted.plan.photo_box, mask=mask, seen=seen)
    restored = restore(data, photo.source.data, fitted, compared, is_bare=is_bare)
    return Output(
        data=restored.data,
        format=restored.format,
        width=restored.width,
        height=restored.height,
        changed_ratio=compared.changed_ratio,
        bytes_received=len(data),
        changed_inside=compared.changed_inside,
        changed_outside=compared.changed_outside,
        changed=compared.changed,
        losses=restored.losses,
    )


def retold(data: bytes, made: Made, source: bytes, *, is_bare: bool) -> Output:
    """Return an output that was kept before, telling what its source tells or nothing, its picture unchanged.

    Args:
        data: The output.
        made: What it is.
        source: The photo it was made of.
        is_bare: Whether it is to tell nothing beside its picture.

    Raises:
        SourceRefused: It has to be written anew for that, and cannot be read.
    """
    found = rewritten(data, made.format, source, is_bare=is_bare)
    if found is not None:
        return Output(found, made.format, made.width, made.height, 0.0, 0)
    if not is_bare:
        return Output(data, made.format, made.width, made.height, 0.0, 0, losses=("what it told was left out",))
    return bare_copy(data, fit(data))


def bare_copy(data: bytes, fitted: Fitted) -> Output:
    """Return a photo as it is, only that it tells nothing beside its picture.

    Args:
        data: The photo.
        fitted: What was made of it.
    """
    same = compare(fitted.sent, fitted.sent, box=fitted.plan.photo_box)
    copy = restore(fitted.sent, data, fitted, same, is_bare=True)
    return Output(copy.data, copy.format, copy.width, copy.height, 0.0, len(data), losses=copy.losses)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why an output has to be seen.

    Args:
        code: What to find it by: `unchanged`, `changed_too_much`, `changed_outside`, `left_over` or `damaged`.
        message: What happened, what was kept and what to do.
        places: Where: boxes by what is wrong there (`left`, `damaged`), as shares of the upright photo.
    """

    code: str
    message: str
    places: Mapping[str, Any] = field(default_factory=dict)


THEN = "The output was kept: accept it, or reject it."


def doubt_about(output: Output, *, unchanged_below: float, changed_above: float) -> Doubt | None:
    """Return why an output has to be seen by a person; None when it looks right.

    A job with a mask is judged by what changed outside it, as the mask itself may cover the whole photo.

    Args:
        output: The output, compared with what was sent.
        unchanged_below: Outputs with a smaller share changed are doubted; 0 doubts none.
        changed_above: Outputs with a larger share changed (with a mask: of what is outside it) are doubted; 1 doubts
            none.
    """
    if output.changed_ratio < unchanged_below:
        return Doubt("unchanged", f"The output shows what was sent: nothing visible was removed. {THEN}")
    if output.changed_outside is not None:
        if output.changed_outside > changed_above:
            share = f"{output.changed_outside:.0%}"
            return Doubt("changed_outside", f"{share} of the photo outside its mask was changed. {THEN}")
        return None
    if output.changed_ratio > changed_above:
        return Doubt("changed_too_much", f"{output.changed_ratio:.0%} of the photo was changed. {THEN}")
    return None


def _download(url: str, fetcher: Fetcher) -> bytes:
    try:
        return fetcher.get(url).data
    except SourceUnreachable as error:
        if error.is_final:
            raise OutputError(f"output_{error.code}", f"The output link does not work: {error}") from error
        raise
    except SourceError as error:
        raise OutputRefused(
            f"output_{error.code}",
            f"The paid output is not fetched: {error} Its link is kept: change the setting that forbids it, then "
            "retry it; that costs no call.",
        ) from error
