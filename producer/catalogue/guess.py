"""Which columns of a table hold photos, told by what stands in them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from producer.catalogue.cells import split_files, split_urls
from producer.catalogue.item import PHOTO_SUFFIXES
from producer.catalogue.typed_url import read_url

ROWS_READ = 200
MOST_PHOTOS = 20
"""Of one cell so many are looked at."""
SHARE = 0.6
"""So much of what stands in a column are photos."""
TELLING_CELLS = 4
"""From so many cells on, a column in which the same few photos come again and again shows brands, not products."""

# A URL that does not say what it leads to is a photo's under a name such as these.
_PHOTO_NAMES = re.compile(
    r"image|img|imagem|imagen|immagin|photo|foto|picture|pict|\bpic|bild|afbeelding|zdj|obraz|obráz|kuva|kép|görsel|resim|"
    r"fotó|изображ|картин|фото|εικόν|画像|写真|图片|圖片|이미지|사진|صور|תמונ|thumb|galer|gallery|media"
)

_BESIDE_NAMES = re.compile(
    r"(?<![a-z])(?:logo|icon|brand|marke|marque|marca|hersteller|manufacturer|thumb|thumbnail|miniatur|swatch|avatar|badge|"
    r"flag|video|qr)s?(?![a-z])"
)


@dataclass(frozen=True, slots=True)
class Guess:
    """What was found.

    Args:
        columns: Indexes of the columns with photos.
        left_out: Those of columns with pictures that are not the products'.
        are_files: Whether they name files of the table's folder.
        escapes_commas: Whether a comma within a URL has a backslash before it.
    """

    columns: tuple[int, ...]
    left_out: tuple[int, ...] = ()
    are_files: bool = False
    escapes_commas: bool = False


def guess(header: Sequence[str], rows: Iterable[Sequence[str]], folder: Path | None) -> Guess | None:
    """Return the columns of which most cells name photos; None when there are none.

    Args:
        header: The names of the columns.
        rows: The first rows.
        folder: Where files may be named; None when none may.
    """
    told = [list(row) for row in rows]
    found = _columns(header, told, _is_url)
    are_files = not found and folder is not None
    if are_files and folder is not None:
        found = _columns(header, told, lambda _, cell: _are_files(cell, folder))
    if not found:
        return None
    urls = tuple(index for index in found if not _is_beside(header[index], _cells(told, index))) or found
    left_out = tuple(index for index in found if index not in urls)
    escapes = any("\\," in cell for index in urls for cell in _cells(told, index))
    return Guess(urls, left_out, are_files, escapes_commas=escapes and not are_files)


def _columns(
    header: Sequence[str], rows: Sequence[Sequence[str]], is_photo: Callable[[str, str], bool]
) -> tuple[int, ...]:
    found = []
    for index, name in enumerate(header):
        cells = _cells(rows, index)
        if cells and sum(is_photo(name, cell) for cell in cells) >= SHARE * len(cells):
            found.append(index)
    return tuple(found)


def _cells(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    return [row[index] for row in rows if index < len(row) and row[index].strip()]


def _is_beside(name: str, cells: Sequence[str]) -> bool:
    """Whether a column shows something else beside the products: smaller copies, brands, films."""
    is_of_few = len(cells) >= TELLING_CELLS and 2 * len(set(cells)) < len(cells)
    return is_of_few or _BESIDE_NAMES.search(name.lower()) is not None


def _is_url(name: str, cell: str) -> bool:
    is_named = _PHOTO_NAMES.search(name.lower()) is not None
    for value in split_urls(cell)[: 2 * MOST_PHOTOS : 2]:
        url = read_url(value)
        if url is None:
            return False
        if not is_named and Path(unquote(urlsplit(url).path)).suffix.lower() not in PHOTO_SUFFIXES:
            return False
    return True


def _are_files(cell: str, folder: Path) -> bool:
    return all(_is_file(value.strip(), folder) for value in split_files(cell)[: 2 * MOST_PHOTOS : 2])


def _is_file(name: str, folder: Path) -> bool:
    if Path(name).suffix.lower() not in PHOTO_SUFFIXES:
        return False
    try:
        path = (folder / name).resolve()
        return path.is_relative_to(folder) and path.is_file()
    except (OSError, ValueError):
        return False
