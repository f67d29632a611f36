"""A Google Merchant feed as XML (RSS or Atom): where its photo URLs stand, byte by byte, read as a stream.

Documents that declare a DOCTYPE are refused: entities of their own could grow without end or read files, and no feed
needs them.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from core.errors import UsageError
from producer.catalogue.item import Item, name_from_url, storable
from producer.catalogue.shape import LONGEST_SKU

NAME = "google-xml"
CHUNK_BYTES = 65_536
LONGEST_URL = 10_000
MOST_PHOTOS = 1000
"""Of one product; Google takes eleven."""

_PHOTOS = {"image_link", "additional_image_link"}
_PRODUCTS = {"item", "entry"}


@dataclass(frozen=True, slots=True)
class UrlPlace:
    """A photo's URL in the file.

    Args:
        url: As it reads, entities resolved.
        start: Offset of its first byte.
        end: Offset after its last byte.
    """

    url: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the feed."""

    sku: str | None
    photos: tuple[UrlPlace, ...]


def read_feed(path: Path) -> Iterator[Item]:
    """Yield one item a photo.

    Raises:
        UsageError: As `read_products`.
    """
    for product in read_products(path):
        for place in product.photos:
            url = storable(place.url)
            yield Item(uri=url, name=name_from_url(url), sku=product.sku)


def read_products(path: Path) -> Iterator[Product]:
    """Yield the products of a feed in the order of their ends.

    Raises:
        UsageError: It is no well-formed XML, declares a DOCTYPE, or cannot be read; the message has the line.
    """
    reader = _Reader(path.name)
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                reader.feed(chunk)
                yield from reader.take()
            reader.feed(b"", is_final=True)
            yield from reader.take()
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}") from error


def find_xml_encoding(path: Path) -> str:
    """Return the name of the codec that a feed's bytes are in.

    Raises:
        UsageError: It is none that Python knows.
    """
    found = ["utf-8"]
    parser = expat.ParserCreate()
    parser.XmlDeclHandler = lambda _version, encoding, _alone: found.append(encoding or "utf-8")
    with path.open("rb") as file:
        head = file.read(256)
    with suppress(expat.ExpatError):
        parser.Parse(head)
    # Told apart by its mark or, without one, by the first bracket; the codec `utf-16` itself would write a mark.
    if head[:2] in {b"\xff\xfe", b"<\0"}:
        return "utf-16-le"
    if head[:2] in {b"\xfe\xff", b"\0<"}:
        return "utf-16-be"
    try:
        "".encode(found[-1])
    except LookupError as error:
        raise UsageError(f"{path.name} is in {found[-1]!r}, which cannot be read. Save it as UTF-8.") from error
    return found[-1]


class _Reader:
    """Collects products from the parser's events."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done: deque[Product] = deque()
        self._photos: list[UrlPlace] = []
        self._sku: str | None = None
        self._open: str | None = None
        self._text: list[str] = []
        self._start: int | None = None
        self._length = 0
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = False
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._read
        parser.StartCdataSectionHandler = self._mark
        parser.StartDoctypeDeclHandler = self._refuse

    def feed(self, chunk: bytes, *, is_final: bool = False) -> None:
        try:
            self._parser.Parse(chunk, is_final)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise UsageError(f"{self._name} is no XML that can be read: {error}. Nothing was submitted.") from error

    def take(self) -> Iterator[Product]:
        while self._done:
            yield self._done.popleft()

    def _begin(self, tag: str, _: dict[str, str]) -> None:
        name = _local(tag)
        if name in _PRODUCTS:
            self._photos, self._sku = [], None
        self._open = name if name in _PHOTOS or name == "id" else None
        self._text, self._start, self._length = [], None, 0

    def _mark(self) -> None:
        if self._open is not None and self._start is None:
            self._start = self._parser.CurrentByteIndex

    def _read(self, text: str) -> None:
        if self._open is not None:
            self._mark()
            self._length += len(text)
            if self._length > LONGEST_URL:
                raise UsageError(f"{self._name} has a URL of over {LONGEST_URL:,} characters. Nothing was submitted.")
            self._text.append(text)

    def _end(self, tag: str) -> None:
        name = _local(tag)
        if name in _PRODUCTS:
            self._done.append(Product(self._sku, tuple(self._photos)))
            self._photos = []
        elif name == self._open:
            text = "".join(self._text).strip()
            if name == "id" and text:
                self._sku = text[:LONGEST_SKU]
            elif text and self._start is not None:
                if len(self._photos) >= MOST_PHOTOS:
                    raise UsageError(f"{self._name} has a product with over {MOST_PHOTOS} photos.")
                self._photos.append(UrlPlace(text, self._start, self._parser.CurrentByteIndex))
        self._open = None

    def _refuse(self, *_: object) -> None:
        raise UsageError(f"{self._name} declares a DOCTYPE, which no feed needs; take it out. Nothing was submitted.")


def _local(tag: str) -> str:
    return tag.rpartition(" ")[2]
