"""What is on a photo: lettering, blocks of colour with lettering, marks; needs the extra `look`."""

from importlib.util import find_spec

from photos.findings.overlay import SURE_FROM, VERSION, FindingKind, PhotoFinding, as_rows, asked_for, from_rows

NEEDED = ("rapidocr", "onnxruntime", "numpy", "cv2")


def can_look() -> bool:
    """Whether what looking needs is installed; nothing of it is loaded by asking."""
    return all(find_spec(name) is not None for name in NEEDED)


__all__ = ["SURE_FROM", "VERSION", "FindingKind", "PhotoFinding", "as_rows", "asked_for", "can_look", "from_rows"]
