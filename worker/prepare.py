"""From a source's bytes to what is sent for it."""

from dataclasses import dataclass, field

from core.errors import SourceRefused, UsageError
from core.states import Fit
from db.jobs import ClaimedJob
from photos.fitting import Fitted, as_it_is, fit
from photos.identity import Terms, identify
from photos.orientation import UPRIGHT, seen_size, turn_back
from photos.photo import inspect
from photos.source import Source
from removal.bounds import Bounds
from removal.mask import Mask, Order, read_for_photo


@dataclass(frozen=True, slots=True)
class Taking:
    """What a provider takes, and how.

    Args:
        provider: Its name; what one has cleaned says nothing about another.
        bounds: Its photos' sizes and formats.
        takes_bytes: Whether photos can be sent to it, or only their URLs.
        mask_order: How masks count their pixels, in jobs and towards the provider.
        mask_origin: The number of a mask's first pixel, 0 or 1.
    """

    provider: str
    bounds: Bounds
    takes_bytes: bool
    mask_order: Order
    mask_origin: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A photo that may be sent.

    Args:
        source: Its own file.
        sha256: Of that file, hex.
        content_key: The same for the same file, options and provider: what was paid for once.
        fitted: What is sent for it.
        mask: What is to be erased of that.
        mask_text: The same as it is sent.
    """

    source: Source
    sha256: str
    content_key: str
    fitted: Fitted
    mask: Mask | None = field(repr=False)
    mask_text: str | None = field(repr=False)


def prepare(job: ClaimedJob, source: Source, taking: Taking, *, is_plain: bool) -> Prepared:
    """Check or fit a photo and its mask.

    Args:
        job: Whether it is fitted or only checked, its elements and its mask.
        source: The photo.
        taking: The provider.
        is_plain: Re-encode it even when it could be sent as it is, because the API could not read it.

    Raises:
        SourceRefused: As `imaging.inspect` and `fitting.fit` do, and `mask_unusable` when the mask does not fit it.
    """
    if job.fit == Fit.STRICT:
        fitted = as_it_is(source.data, inspect(source.data, taking.bounds))
        if is_plain:
            fitted = fit(source.data, taking.bounds, is_plain=True)
    else:
        fitted = fit(source.data, taking.bounds, is_plain=is_plain)
    order, origin = taking.mask_order, taking.mask_origin
    photo = fitted.photo
    size = seen_size(photo.width, photo.height, photo.exif_orientation)
    seen = read_for_photo(job.mask, *size, order=order, origin=origin) if job.mask else None
    mask = _sent_mask(seen, fitted) if seen is not None else None
    terms = Terms(taking.provider, taking.bounds, job.elements, job.subject_elements, Fit(job.fit))
    identity = identify(source.data, photo, terms, seen.to_rle() if seen else None)
    return Prepared(
        source=source,
        sha256=identity.sha256,
        content_key=identity.content_key,
        fitted=fitted,
        mask=mask,
        mask_text=mask.to_rle(order, origin) if mask else None,
    )


def _sent_mask(mask: Mask, fitted: Fitted) -> Mask:
    if not fitted.plan.is_unchanged:
        try:
            return Mask.from_image(fitted.plan.transform_mask(mask.to_image()))
        except UsageError as error:
            raise SourceRefused("mask_unusable", str(error)) from error
    orientation = fitted.photo.exif_orientation
    turn = turn_back(orientation)
    if orientation == UPRIGHT or turn is None:
        return mask
    return Mask.from_image(mask.to_image().transpose(turn))
