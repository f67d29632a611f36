"""From a source's bytes to what is sent for it."""

import hashlib
from dataclasses import dataclass, field

from core.content import content_key
from core.errors import SourceRefused, UsageError
from core.states import Fit
from db.jobs import ClaimedJob
from removal.mask import Mask, Order, read_asked
from worker.bounds import Bounds
from worker.fitting import Fitted, as_it_is, fit, is_acceptable
from worker.imaging import Photo, inspect
from worker.orientation import UPRIGHT, seen_size, turn_back
from worker.source import Source


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
    seen = read_mask_for(fitted.photo, job.mask, order, origin) if job.mask else None
    mask = _sent_mask(seen, fitted) if seen is not None else None
    is_raw = job.fit == Fit.STRICT and not is_acceptable(fitted.photo, len(source.data), taking.bounds)
    sha256 = hashlib.sha256(source.data).hexdigest()
    # How a photo is fitted is left out: it follows from the photo and its provider.
    text = seen.to_rle() if seen else None
    return Prepared(
        source=source,
        sha256=sha256,
        content_key=content_key(taking.provider, sha256, job.elements, job.subject_elements, text, is_raw=is_raw),
        fitted=fitted,
        mask=mask,
        mask_text=mask.to_rle(order, origin) if mask else None,
    )


def read_mask_for(photo: Photo, text: str, order: Order, origin: int) -> Mask:
    """Return what a job asks to erase of its photo, as the photo is seen.

    Args:
        photo: Whose size it has to fit.
        text: How the job says it.
        order: How its run lengths count pixels.
        origin: The number of the first pixel there.

    Raises:
        SourceRefused: `mask_unusable`: it is made for another photo, or there is nothing in it.
    """
    width, height = seen_size(photo.width, photo.height, photo.exif_orientation)
    try:
        mask = read_asked(text, width, height, order=order, origin=origin)
    except UsageError as error:
        raise SourceRefused(
            "mask_unusable", f"{error} Make the mask for this photo, {width}×{height} pixels as it is seen."
        ) from error
    if not mask.runs:
        raise SourceRefused("mask_unusable", "The mask is empty: there is nothing to erase in it.")
    return mask


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
