"""One photo as a catalogue names it."""

import hashlib
import posixpath
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

from core.errors import UsageError
from removal.contract import ELEMENTS

LONGEST_NAME = 150
PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".avif", ".heic"}
)

_NO_PATH = re.compile(r"[?#]")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\..*)?")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')


@dataclass(frozen=True, slots=True)
class Item:
    """One photo to clean.

    Args:
        uri: `https://…` or `file:///…`.
        name: The output's name, relative, with `/` between folders.
        sku: The shop's own number of the product, if the catalogue has it.
        elements: What to take off outside the main subject; None for the batch's choice.
        subject_elements: What to take off the main subject; None for the batch's choice.
        mask: RLE area that wins over both lists, or None.
        version: What changes when the bytes behind the URI change (size and time of a file); part of its identity.
        fault: Why a row names no photo; its job is dead from the start.
    """

    uri: str
    name: str
    sku: str | None = None
    elements: tuple[int, ...] | None = None
    subject_elements: tuple[int, ...] | None = None
    mask: str | None = None
    version: str = ""
    fault: str = ""


def item_key(item: Item, elements: tuple[int, ...], subject_elements: tuple[int, ...]) -> str:
    """Return what makes an item the same one when it is handed in again, or named by several products."""
    told = f"{item.uri}\0{item.version}\0{item.name}\0{elements}\0{subject_elements}\0{item.mask or ''}"
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def name_from_url(url: str) -> str:
    """Return a safe file name for the photo behind a URL."""
    path = _NO_PATH.split(url, 1)[0].partition("://")[2].partition("/")[2]
    name = path.rstrip("/").rpartition("/")[2]
    return safe_name(unquote(name) if "%" in name else name) or "photo"


def safe_name(name: str) -> str:
    """Return one path component that every file system takes, or an empty string."""
    cleaned = _UNSAFE.sub("_", name).strip(" .")
    if len(cleaned.encode("utf-8", "replace")) <= LONGEST_NAME:
        return cleaned
    stem, dot, suffix = cleaned.rpartition(".")
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    keep = (stem if dot else cleaned).encode("utf-8", "replace")[: LONGEST_NAME - 30].decode(errors="ignore")
    return f"{keep}-{digest}{dot}{suffix[:10] if dot else ''}"


def has_photo_suffix(name: str) -> bool:
    """Whether a file is a photo by its name."""
    return posixpath.splitext(name)[1].lower() in PHOTO_SUFFIXES


def portable_name(name: str) -> str:
    """Return one path component that every file system takes and no reader is fooled by, or an empty string.

    Unlike `safe_name`, which is part of what makes an item the same one, it may grow stricter: no character that shows
    nothing or turns others round, and no name that Windows keeps for a device.
    """
    shown = "".join(each for each in unicodedata.normalize("NFC", name) if unicodedata.category(each)[0] != "C")
    cleaned = safe_name(shown)
    return f"_{cleaned}" if _DEVICE.fullmatch(cleaned) else cleaned


def storable(text: str) -> str:
    """Return text PostgreSQL takes: no NUL, and no bytes of a file name that is not UTF-8."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def read_elements(value: object, where: str) -> tuple[int, ...]:
    """Return element numbers, sorted and once each.

    Args:
        value: A list of numbers, or text such as `1,2,3`.
        where: What to call it in the message.

    Raises:
        UsageError: Something other than 1 to 4 is in it.
    """
    parts = [part for part in re.split(r"[,\s]+", value) if part] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise UsageError(f"{where}: expected numbers from 1 to 4, such as 1,2,3, not {value!r}")
    numbers = set()
    for part in parts:
        if isinstance(part, bool) or str(part) not in {"1", "2", "3", "4"}:
            raise UsageError(
                f"{where}: unknown element {part}; use " + ", ".join(f"{n} ({name})" for n, name in ELEMENTS.items())
            )
        numbers.add(int(part))
    return tuple(sorted(numbers))
