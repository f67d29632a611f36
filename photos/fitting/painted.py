"""Painting what was changed onto the source, and writing that as its source was: format, bits, palette, metadata."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from photos.fitting.colours import Colours
from photos.fitting.deep import can_keep, lower_half, paint, saved_deep
from photos.fitting.fitted import Fitted
from photos.fitting.original import load, source
from photos.fitting.palettes import indexed
from photos.fitting.patching import editable, patch
from photos.fitting.saving import fallback_options, options_of, saved
from photos.metadata import Told, bare, read, read_parts, written
from photos.photo import Photo
from photos.pictures import icc_profile

_PNG_MODES = {"1", "L", "LA", "RGB", "RGBA", "I;16"}


@dataclass(frozen=True, slots=True)
class Restored:
    """An artifact.

    Args:
        data: The file.
        format: Pillow's name; the source's, or `PNG` when Pillow could not write that.
        width: Pixels as stored; the source's.
        height: Pixels as stored; the source's.
        losses: What could not be kept as it is in the source, in words.
    """

    data: bytes = field(repr=False)
    format: str
    width: int
    height: int
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Painting:
    """What is to be painted onto a source.

    Args:
        output: In RGB, turned and cropped like the source, perhaps smaller.
        area: How much of each of its pixels to take, of the same size.
        fitted: What was made of the source.
        is_bare: Whether the artifact is to tell nothing beside its picture.
    """

    output: Image.Image
    area: Image.Image
    fitted: Fitted
    is_bare: bool


def painted(painting: Painting, data: bytes, max_pixels: int) -> Restored:
    """Return the artifact: a source, painted on.

    Args:
        painting: With what, and where.
        data: The source's file.
        max_pixels: As given to `fit`.

    Raises:
        SourceRefused: The source cannot be decoded any more.
    """
    plan, photo = painting.fitted.plan, painting.fitted.photo
    told = _told(data, photo, max_pixels)
    losses = list(losses_of(told, is_bare=painting.is_bare))
    if painting.is_bare:
        told = bare(told)
    lower = _lower(photo, data, max_pixels)
    with source(data, max_pixels) as image:
        load(image, data)
        options = options_of(image, data, plan)
        colours = Colours(image.mode, icc_profile(image), plan.background)
        target = editable(image, plan.source_format)
        has_palette = image.mode == "P" and target.mode != "P"
        touched = Image.new("L", target.size) if has_palette or lower is not None else None
        patch(target, painting.output, painting.area, colours, touched)
        if lower is not None and touched is not None:
            paint(lower, target, touched)
            made = saved_deep(target, lower, plan.source_format, icc_profile(image))
            return _finished(made, plan.source_format, photo, told, losses)
        if photo.depth > 8 and not photo.mode.startswith("I;16"):
            losses.append(f"{photo.depth} bits a channel became 8")
        if has_palette and touched is not None:
            kept = indexed(image, target, touched)
            target, losses = (kept, losses) if kept is not None else (target, [*losses, "the palette became RGB"])
        for format_name, chosen in _ways(plan.source_format, options | _telling(plan.source_format, told)):
            try:
                made = saved(target, format_name, chosen)
            except Exception:  # noqa: S112 - encoders raise nearly anything; the paid output is worth another way
                continue
            return _finished(made, format_name, photo, told, losses)
        plain = target if target.mode in _PNG_MODES else target.convert("RGB")
        losses.append(f"{plan.source_format} became PNG")
        return _finished(saved(plain, "PNG", {}), "PNG", photo, told, losses)


def foreseen_losses(photo: Photo) -> tuple[str, ...]:
    """Return what the output of a photo will not have as the photo has it, as far as its header tells."""
    found = {
        f"{photo.depth} bits a channel become 8": not can_keep(photo),
        "palette kept if it has room": photo.mode == "P" and photo.format in {"PNG", "BMP", "TIFF"},
    }
    return tuple(loss for loss, applies in found.items() if applies)


def losses_of(told: Told, *, is_bare: bool) -> tuple[str, ...]:
    """Return what is lost of what a source tells, in words."""
    return ("metadata that is too large, or cannot be read, was left out",) if told.is_cut and not is_bare else ()


def _ways(format_name: str, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield format_name, options
    yield format_name, fallback_options(format_name, options)


def _finished(made: bytes, format_name: str, photo: Photo, told: Told, losses: list[str]) -> Restored:
    try:
        data = written(made, format_name, told)
    except ValueError:
        data, losses = made, [*losses, "metadata was left out"]
    return Restored(data, format_name, photo.width, photo.height, tuple(losses))


def _told(data: bytes, photo: Photo, max_pixels: int) -> Told:
    if photo.format != "AVIF":
        return read(data, photo.format)
    with source(data, max_pixels) as image:
        exif, xmp = image.info.get("exif"), image.info.get("xmp")
        return read_parts(exif if isinstance(exif, bytes) else b"", xmp if isinstance(xmp, bytes) else b"")


def _telling(format_name: str, told: Told) -> dict[str, Any]:
    """Return options for a format into which nothing can be put when it is written."""
    if format_name != "AVIF":
        return {}
    return {name: value for name, value in (("exif", told.exif), ("xmp", told.xmp)) if value}


def _lower(photo: Photo, data: bytes, max_pixels: int) -> Image.Image | None:
    if photo.depth <= 8 or photo.mode.startswith("I;16") or not can_keep(photo):
        return None
    with source(data, max_pixels) as image:
        found = lower_half(image, data)
        return found.copy() if found is not None else None
