"""A JSON array of photos: URLs, or objects as lines of JSON have them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import UsageError
from producer.catalogue.faults import faulty
from producer.catalogue.item import Item, name_from_url
from producer.catalogue.jsonl import read_line
from producer.catalogue.lines import LONGEST_LINE
from producer.catalogue.text import find_encoding, open_text
from producer.catalogue.typed_url import read_url, shown

CHUNK_CHARS = 1 << 16
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the array.

    Args:
        before: What stands between it and the one before.
        text: The element as written.
    """

    before: str
    text: str


def read_json_array(path: Path, *, allow_files: bool = True, is_strict: bool = False) -> Iterator[Item]:
    """Yield one item an element; a relative `path` starts at the folder of the file.

    Args:
        path: The file.
        allow_files: Whether elements may name files of this machine.
        is_strict: Whether an element that cannot be used ends it.

    Raises:
        UsageError: It is no array; or an element cannot be used, and it is strict.
    """
    folder = path.resolve().parent
    for number, element in enumerate(read_array(path), 1):
        if not element.text:
            return
        try:
            yield read_element(element.text, f"{path.name}, element {number}", folder, allow_files=allow_files)
        except UsageError as error:
            if is_strict:
                raise
            yield faulty(number, error)


def read_element(text: str, where: str, folder: Path, *, allow_files: bool) -> Item:
    """Return the photo that an element names.

    Args:
        text: The element as written.
        where: What to call it in messages.
        folder: Where relative paths begin.
        allow_files: Whether it may name files of this machine.

    Raises:
        UsageError: It cannot be used.
    """
    if not text.startswith('"'):
        return read_line(text, where, folder, allow_files=allow_files)
    url = read_url(json.loads(text))
    if url is None:
        raise UsageError(f"{where}: {shown(text)} is no http or https URL. Nothing was submitted.")
    return Item(uri=url, name=name_from_url(url))


def read_array(path: Path) -> Iterator[Element]:
    """Yield every element, and at last what comes after them, with no text; joined they are the file after its mark.

    Raises:
        UsageError: It is no array, or has an element without end.
    """
    decoder = json.JSONDecoder()
    text, at, begun, is_first = "", 0, 0, True
    with open_text(path, find_encoding(path)) as file:
        while True:
            chunk = file.read(CHUNK_CHARS)
            text, at, begun = text[begun:] + chunk, at - begun, 0
            while True:
                blank = _BLANK.match(text, at)
                at = blank.end() if blank else at
                mark = text[at : at + 1]
                if mark == "," or (is_first and mark == "["):
                    at, is_first = at + 1, False
                    continue
                if mark == "]":
                    rest = text[at + 1 :] + file.read(CHUNK_CHARS)
                    if rest.strip() or file.read(1):
                        raise UsageError(f"{path.name} has more after its JSON array. Nothing was submitted.")
                    yield Element(text[begun : at + 1] + rest, "")
                    return
                try:
                    _, end = decoder.raw_decode(text, at)
                except (ValueError, RecursionError) as error:
                    if not chunk or len(text) - begun > LONGEST_LINE:
                        why = f"{path.name} is no JSON array that can be read ({str(error)[:200]})."
                        raise UsageError(f"{why} Nothing was submitted.") from error
                    break
                if end == len(text) and chunk:
                    # A number may go on.
                    break
                yield Element(text[begun:at], text[at:end])
                at = begun = end
