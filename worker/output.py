"""From an output link to verified bytes, made like the source."""

from dataclasses import dataclass, field

from core.errors import OutputError, OutputRefused, SourceError, SourceUnreachable
from photos.comparison import compare
from photos.fetch import Fetcher
from photos.fitting import restore
from worker.prepare import Prepared


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
    """

    data: bytes = field(repr=False)
    format: str
    width: int
    height: int
    changed_ratio: float
    bytes_received: int
    changed_inside: float | None = None
    changed_outside: float | None = None


def collect(url: str, photo: Prepared, fetcher: Fetcher) -> Output:
    """Download the output, check that it is the same picture's clean plate, and return it as the source was.

    Args:
        url: Where the API put the output; such links expire, so this runs right after the call.
        photo: What was sent.
        fetcher: Checks addresses, sizes and times.

    Raises:
        SourceUnreachable: The link did not answer this time.
        OutputRefused: Our own limits forbid to fetch it.
        OutputError: What is behind it is not the picture we asked for.
    """
    data = _download(url, fetcher)
    fitted = photo.fitted
    mask = photo.mask.to_image() if photo.mask is not None else None
    compared = compare(fitted.sent, data, box=fitted.plan.photo_box, mask=mask, sent_tiles=fitted.tiles)
    restored = restore(data, photo.source.data, fitted, compared)
    return Output(
        data=restored.data,
        format=restored.format,
        width=restored.width,
        height=restored.height,
        changed_ratio=compared.changed_ratio,
        bytes_received=len(data),
        changed_inside=compared.changed_inside,
        changed_outside=compared.changed_outside,
    )


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
            "requeue; that costs no call.",
        ) from error
