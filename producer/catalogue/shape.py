"""What a table's columns mean: which hold photos, and which name the product."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin

from core.errors import UsageError
from producer.catalogue.cells import split_urls
from producer.catalogue.item import Item, name_from_url, read_elements, storable
from removal.mask import check_asked

LONGEST_SKU = 200
MOST_NAMED = 40


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of one kind of table; names are compared without case.

    Args:
        name: What `--format` calls it.
        marks: A table with all columns of one of these sets is of this kind.
        image_columns: Those that hold photos, as far as a table has them.
        sku_columns: The first of them that is not empty in a row names the product.
        split: Parts the values of a cell from what is between them.
        escapes_commas: Whether a comma within a value is written with a backslash before it.
        option_columns: Those that say what to take off: elements, elements on the main subject, mask; or none.
        sku_of: What makes the product's number of what stands in its cell.
    """

    name: str
    marks: tuple[frozenset[str], ...]
    image_columns: tuple[str, ...]
    sku_columns: tuple[str, ...]
    split: Callable[[str], list[str]] = field(default=split_urls)
    escapes_commas: bool = False
    option_columns: tuple[str, ...] = ()
    sku_of: Callable[[str], str] = str

    def fits(self, header: Sequence[str]) -> bool:
        """Whether a table with these columns is of this kind."""
        names = {column.strip().lower() for column in header}
        return any(mark <= names for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table's photos and product numbers are.

    Args:
        images: Indexes of the columns that hold photos.
        skus: Indexes of the columns that name the product, the most telling first.
        split: As in `Shape`.
        base_url: Where values that are no URL begin, or nothing.
        escapes_commas: As in `Shape`.
        options: Indexes of the columns that say what to take off, or none.
        sku_of: As in `Shape`.
    """

    images: tuple[int, ...]
    skus: tuple[int, ...]
    split: Callable[[str], list[str]]
    base_url: str = ""
    escapes_commas: bool = False
    options: tuple[int, ...] = ()
    sku_of: Callable[[str], str] = str

    def url_of(self, value: str) -> str:
        """Return the URL that a value in a cell names."""
        if self.escapes_commas:
            value = value.replace("\\,", ",")
        base = self.base_url.rstrip("/") + "/"
        if base.startswith("file:"):
            return storable(base + quote(value, errors="surrogateescape"))
        url = urljoin(base, value.lstrip("/")) if self.base_url and "://" not in value else value
        return storable(url)

    def cell_of(self, url: str) -> str:
        """Return a URL as it is written into a cell."""
        return url.replace(",", "\\,") if self.escapes_commas else url

    def read(self, row: Sequence[str]) -> list[Item]:
        """Return the photos of a row; one that is too short has fewer."""
        found = []
        sku = next((row[index].strip() for index in self.skus if index < len(row) and row[index].strip()), None)
        told = self._read_options(row)
        for index in self.images:
            if index < len(row) and row[index]:
                for value in self.split(row[index])[::2]:
                    if is_photo(value):
                        url = self.url_of(value.strip())
                        found.append(
                            Item(
                                uri=url,
                                name=name_from_url(url),
                                sku=None if sku is None else self.sku_of(sku)[:LONGEST_SKU],
                                **told,
                            )
                        )
        return found

    def _read_options(self, row: Sequence[str]) -> dict[str, Any]:
        if not self.options or max(self.options) >= len(row):
            return {}
        elements, subject, mask = (row[index].strip() for index in self.options)
        return {
            "elements": read_elements(elements, "elements"),
            "subject_elements": read_elements(subject, "subject_elements"),
            "mask": check_asked(mask) if mask else None,
        }


def find_columns(
    header: Sequence[str], shape: Shape, *, image_columns: Sequence[str] = (), base_url: str = "", where: str
) -> Columns:
    """Return where a table's photos are.

    Args:
        header: The table's column names.
        shape: Its kind.
        image_columns: The columns the user named instead, or none.
        base_url: Where values that are no URL begin, or nothing.
        where: What to call the table in messages.

    Raises:
        UsageError: A column is missing; the message names it and those that were found.
    """
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index, column in enumerate(header):
        places[column.strip().lower()].append(index)
    found = ", ".join(repr(column.strip()) for column in header[:MOST_NAMED])
    if len(header) > MOST_NAMED:
        found += f" and {len(header) - MOST_NAMED:,} more"
    for column in image_columns:
        if column.strip().lower() not in places:
            raise UsageError(f"{where} has no column {column!r}. It has: {found}. Nothing was submitted.")
    # Of columns that are called the same every one counts.
    named = [column.strip().lower() for column in image_columns] or shape.image_columns
    images = [index for column in named for index in places.get(column, ())]
    if not images:
        wanted = " or ".join(repr(column) for column in shape.image_columns) or "photos"
        raise UsageError(
            f"{where} has no column of {wanted}. It has: {found}. Name the ones with photo URLs by --image-col."
        )
    return Columns(
        tuple(dict.fromkeys(images)),
        tuple(index for column in shape.sku_columns for index in places.get(column, ())),
        shape.split,
        base_url,
        shape.escapes_commas,
        tuple(index for column in shape.option_columns for index in places.get(column, ())[:1]),
        shape.sku_of,
    )


def is_photo(value: str) -> bool:
    """Whether a value names a photo; Magento says so when there is none."""
    return value.strip().lower() not in {"", "no_selection"}
