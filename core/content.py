"""What makes a photo the same one that was paid for before."""

import hashlib


def content_key(
    provider: str,
    sha256: str,
    elements: tuple[int, ...],
    subject_elements: tuple[int, ...],
    mask: str | None,
    *,
    is_raw: bool = False,
) -> str:
    """Return the same for the same bytes, options and provider, whatever batch they come in.

    Args:
        provider: Who would be asked.
        sha256: Of the photo's own file, hex.
        elements: What to take off outside the main subject.
        subject_elements: What to take off the main subject.
        mask: The area to erase as `Mask.to_rle()` writes it, so that one area has one text; None without one.
        is_raw: Whether it would have been fitted, was it not asked for as it is: its output is another one then.
    """
    raw = "|raw" if is_raw else ""
    told = f"{provider}|{sha256}|{elements}|{subject_elements}|{mask or ''}{raw}"
    return hashlib.sha256(told.encode()).hexdigest()
