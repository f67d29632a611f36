"""The names of exported files: every photo has its own, which never changes, whatever is done by then."""

import hashlib
import posixpath
import re
import tempfile
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from db import artifacts
from producer.catalogue.item import PHOTO_SUFFIXES, portable_name

REPORT_NAMES = ("report.html", "report.jsonl", "report.csv")
HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Sameness:
    """What a folder takes for one name.

    Args:
        of_case: `Case.jpg` and `case.jpg`.
        of_form: An accented letter as one character and as two.
    """

    of_case: bool
    of_form: bool

    def key(self, name: str) -> str:
        """Return what is the same for names that are one file there."""
        if self.of_case:
            name = name.casefold()
        return name if name.isascii() or not self.of_form else unicodedata.normalize("NFD", name)


def find_sameness(folder: Path) -> Sameness:
    """Return what a folder takes for one name, found by making files in it: a machine may have disks of several kinds.

    Raises:
        OSError: Nothing can be written there.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".cleanplate-names-") as trial:
        place = Path(trial)
        (place / "Case").touch()
        (place / "\u00e9").touch()
        return Sameness(of_case=(place / "cASE").exists(), of_form=(place / "e\u0301").exists())


class Names:
    """Gives every photo a name of its own, in the order they came in.

    A name depends on those before it and on nothing that changes while a batch runs: neither on what is done by then,
    nor on the format of an output, which may add a suffix. Of each name only a hash is kept, to be light at a million;
    two names whose hashes are the same by chance cost one of them a number.

    Args:
        out: The folder.
        sameness: What it takes for one name.
    """

    def __init__(self, out: Path, sameness: Sameness) -> None:
        self._home = f"{out.as_uri()}/"
        self._sameness = sameness
        self._reserved = {sameness.key(name) for name in REPORT_NAMES}
        self._taken: set[int] = set()
        self._numbers: dict[int, int] = {}

    def take(self, wished: str, source_uri: str) -> str:
        """Return the next photo's name: its own, numbered when another has it. `file_of` tells its file.

        Args:
            wished: Its own name, relative.
            source_uri: Where it is; that is never written over.
        """
        stem, suffix = posixpath.splitext(str(PurePosixPath(wished)))
        if source_uri.startswith(self._home) and self._is_source(stem, suffix, source_uri):
            stem = f"{stem}-clean"
        name = stem + suffix
        wished_hash = self._take_free(stem, suffix)
        if wished_hash is not None:
            number = self._numbers.get(wished_hash, 1) + 1
            while self._take_free(f"{stem}-{number}", suffix) is not None:
                number += 1
            self._numbers[wished_hash] = number
            name = f"{stem}-{number}{suffix}"
        return name

    def take_as_it_is(self, wished: str) -> bool:
        """Take a name as it is and return True; or return False when it is another's."""
        return self._take_free(*posixpath.splitext(wished)) is None

    def _is_source(self, stem: str, suffix: str, source_uri: str) -> bool:
        name = stem + suffix
        source = self._sameness.key(unquote(source_uri.removeprefix(self._home)))
        return any(self._sameness.key(name + added) == source for added in ("", *_may_add(suffix)))

    def _take_free(self, stem: str, suffix: str) -> int | None:
        """Take a name and return None, or its hash when a file that may come of it may come of one that is taken."""
        name = self._sameness.key(stem + suffix)
        found = _hash(name)
        if found in self._taken or name in self._reserved:
            return found
        if any(_hash(name + added) in self._taken for added in _may_add(suffix)):
            return found
        # Or it is what another becomes when a suffix is added.
        shorter = self._sameness.key(stem)
        added = name[len(shorter) :]
        if added in _may_add(posixpath.splitext(stem)[1]) and _hash(shorter) in self._taken:
            return found
        self._taken.add(found)
        return None


class PortableNames(Names):
    """Names for a place that nobody knows yet: a file system of any kind, with whatever it takes for one name.

    Args:
        out: Where no source is.
    """

    def __init__(self, out: Path) -> None:
        super().__init__(out, Sameness(of_case=True, of_form=True))

    def take(self, wished: str, source_uri: str) -> str:
        """Return the next photo's name; folders stay, and none leads out of where they are unpacked."""
        parts = map(portable_name, re.split(r"[/\\]", wished))
        return super().take("/".join(filter(None, parts)) or "photo", source_uri)


def file_of(name: str, image_format: str | None) -> str:
    """Return the file for an output of this format.

    A name that says another format is kept as it is: it is what the shop knows the photo by. One that says none is
    given the output's.
    """
    suffix = artifacts.SUFFIXES.get(image_format or "")
    return f"{name}.{suffix}" if suffix and _may_add(posixpath.splitext(name)[1]) else name


@lru_cache(maxsize=1000)
def _may_add(suffix: str) -> tuple[str, ...]:
    """Return what an output's format may add to a name that ends with this suffix."""
    return () if suffix.lower() in PHOTO_SUFFIXES else tuple(f".{each}" for each in artifacts.SUFFIXES.values())


def _hash(name: str) -> int:
    told = name.encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(told, digest_size=HASH_BYTES).digest(), "big")
