"""Looking at one photo as a worker would take it in, but at its header only: nothing is decoded that need not be."""

from dataclasses import dataclass

from core.errors import SourceRefused
from core.settings import Settings
from core.states import Fit, Send
from photos.decoders import inspect, look_at
from photos.fetch import Fetcher
from photos.fitting import foreseen_losses, is_acceptable
from photos.identity import Terms, identify
from photos.memory import MEMORY
from photos.orientation import UPRIGHT, seen_size
from photos.photo import Photo
from photos.source import MAX_SOURCE_BYTES, read_source
from removal.bounds import Bounds
from removal.mask import read_for_photo
from removal.provider import find_provider

_PLAIN_MODES = {"RGB", "L"}


@dataclass(frozen=True, slots=True)
class PhotoWish:
    """One photo and what is to be done with it.

    Args:
        uri: Where it is.
        name: What people call it.
        elements: What to take off outside the main subject.
        subject_elements: What to take off the main subject.
        mask: The area to erase, as it was handed in.
        item_key: What makes it the same item when it is handed in again.
        fault: Why its row names no photo, if it does not.
    """

    uri: str
    name: str
    elements: tuple[int, ...]
    subject_elements: tuple[int, ...]
    mask: str | None
    item_key: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo that can be sent.

    Args:
        key: What makes it the same as another one.
        steps: What has to be done to it before.
        is_fitted: Whether it leaves the API's bounds.
        losses: What its output cannot have as it has it, as far as that is known before.
    """

    key: str
    steps: tuple[str, ...]
    is_fitted: bool = False
    losses: tuple[str, ...] = ()


class Looker:
    """Looks at photos on this machine.

    Args:
        settings: Whose account, and how masks count.
        fit: Whether photos outside the API's bounds are made to fit, or refused.
        send: Whether photos on this machine can be sent at all: as bytes, which not every provider takes.

    Raises:
        UsageError: REMOVAL_PROVIDER names none.
    """

    def __init__(self, settings: Settings, fit: Fit, send: Send) -> None:
        self._settings = settings
        self._fit = fit
        takes = find_provider(settings.removal_provider)
        self._sends_files = takes.takes_bytes and send is not Send.URL
        self._bounds = takes.bounds
        self._fetcher = Fetcher(timeout_seconds=1.0, max_bytes=1)

    def look(self, wish: PhotoWish, data: bytes | None = None) -> Seen:
        """Return what a photo on this machine is.

        Args:
            wish: Which, and what is to be done with it.
            data: Its bytes, if they are here already.

        Raises:
            SourceError: It could not be sent; the code is the one its job would end with.
        """
        if not self._sends_files:
            raise SourceRefused("url_not_public", "Only URLs are sent, and this photo has none; send its bytes.")
        if data is not None:
            return self._describe(wish, data)
        most = None if self._fit is Fit.STRICT else MAX_SOURCE_BYTES
        with MEMORY.hold_files() as take:
            return self._describe(wish, read_source(wish.uri, self._fetcher, max_bytes=most, take=take).data)

    def _describe(self, wish: PhotoWish, data: bytes) -> Seen:
        strict = self._fit is Fit.STRICT
        photo = inspect(data, self._bounds) if strict else look_at(data)
        order, origin = self._settings.removal_mask_order, self._settings.removal_mask_origin
        size = seen_size(photo.width, photo.height, photo.exif_orientation)
        mask = read_for_photo(wish.mask, *size, order=order, origin=origin) if wish.mask else None
        terms = Terms(self._settings.provider, self._bounds, wish.elements, wish.subject_elements, self._fit)
        identity = identify(data, photo, terms, mask.to_rle() if mask else None)
        if strict:
            return Seen(identity.content_key, ())
        is_fitted = not is_acceptable(photo, len(data), self._bounds)
        steps = steps_for(photo, len(data), self._bounds)
        return Seen(identity.content_key, steps, is_fitted, foreseen_losses(photo))


def steps_for(photo: Photo, size_bytes: int, bounds: Bounds) -> tuple[str, ...]:
    """Return what would be done to a photo before it is sent; nothing when the API takes it as it is.

    Args:
        photo: What it is.
        size_bytes: Of its file.
        bounds: The provider's.
    """
    small = bounds.scaled(photo.width, photo.height)
    turned = seen_size(*small, photo.exif_orientation)
    needed = {
        "turned upright": photo.exif_orientation != UPRIGHT,
        "scaled down": small != (photo.width, photo.height),
        "padded": bounds.padded(*turned) != turned,
        "transparency filled": photo.has_alpha,
        "colours made RGB": photo.mode not in _PLAIN_MODES and not photo.has_alpha,
        "format changed": photo.format not in bounds.formats,
        "first frame taken": photo.frames > 1,
        f"made smaller than {bounds.max_bytes // 1_000_000} MB": size_bytes > bounds.max_bytes,
    }
    return tuple(step for step, applies in needed.items() if applies)
