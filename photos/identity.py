"""What makes a photo the same one that was paid for before: its bytes, its options, and who is asked."""

import hashlib
from dataclasses import dataclass

from core.content import content_key
from core.states import Fit
from photos.fitting import is_acceptable
from photos.photo import Photo
from removal.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to be taken off a photo, and by whom.

    Args:
        provider: Who is asked; what one has cleaned says nothing about another.
        bounds: The photos it takes.
        elements: What to take off outside the main subject.
        subject_elements: What to take off the main subject.
        fit: Whether a photo outside the bounds is made to fit.
    """

    provider: str
    bounds: Bounds
    elements: tuple[int, ...]
    subject_elements: tuple[int, ...]
    fit: Fit


@dataclass(frozen=True, slots=True)
class Identity:
    """What a photo is known by.

    Args:
        sha256: Of its file, hex.
        content_key: The same for the same file, options and provider: what was paid for once.
    """

    sha256: str
    content_key: str


def identify(data: bytes, photo: Photo, terms: Terms, mask: str | None) -> Identity:
    """Return what a photo is known by, in any batch.

    How it is fitted is left out: that follows from the photo and its provider.

    Args:
        data: Its file.
        photo: What it is.
        terms: What is asked for.
        mask: The area to erase of it as it is seen, as `Mask.to_rle()` writes it; None without one.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    is_raw = terms.fit is Fit.STRICT and not is_acceptable(photo, len(data), terms.bounds)
    key = content_key(terms.provider, sha256, terms.elements, terms.subject_elements, mask, is_raw=is_raw)
    return Identity(sha256, key)
