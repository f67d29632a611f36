"""Making the artifact: the removal API's output, put back as the source was."""

from dataclasses import dataclass, field

from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from core.errors import SourceRefused
from photos.comparison import OUTPUT_FORMATS, Comparison, bad_output
from photos.fitting.changes import changed_area, is_same
from photos.fitting.colours import Colours
from photos.fitting.encoding import encode
from photos.fitting.fitted import Fitted
from photos.fitting.original import load, source
from photos.fitting.patching import editable, patch
from photos.fitting.plan import Plan
from photos.fitting.profiles import with_profile
from photos.fitting.rendering import rendered
from photos.fitting.saving import fallback_options, options_of, saved
from photos.memory import MEMORY
from photos.orientation import UPRIGHT, turn_back
from photos.pictures import MAX_PIXELS, Undecodable, decode, encoded, format_family, icc_profile, opened

_EXACT_FORMATS = {"PNG", "BMP"}


@dataclass(frozen=True, slots=True)
class Restored:
    """An artifact.

    Args:
        data: The file.
        format: Pillow's name; the source's, or `PNG` when Pillow could not write that.
        width: Pixels as stored; the source's.
        height: Pixels as stored; the source's.
    """

    data: bytes = field(repr=False)
    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Output:
    picture: Image.Image
    format: str
    mode: str
    tables: dict[int, list[int]] | None
    sampling: int


def restore(
    output: bytes, source_data: bytes, fitted: Fitted, compared: Comparison, *, max_pixels: int = MAX_PIXELS
) -> Restored:
    """Return the artifact of a photo.

    Args:
        output: What the removal API gave.
        source_data: The photo's own file.
        fitted: What `fit` made of it.
        compared: How the output differs from that.
        max_pixels: As given to `fit`.

    Raises:
        OutputError: `output_not_image` or `output_truncated`.
        SourceRefused: The source cannot be decoded (any more), or is not the one that was fitted (`source_changed`).
    """
    known = restored_undecoded(output, source_data, fitted, compared)
    if known is not None:
        return known
    plan = fitted.plan
    source_itself = Restored(source_data, plan.source_format, *plan.source_size)
    given = _as_given(output, fitted, compared)
    with MEMORY.hold_pixels(plan.source_size[0] * plan.source_size[1]):
        read = _read_output(output)
        sent = _sent_again(source_data, plan, max_pixels)
        references = [sent, *_echoes(sent, read)]
        if any(is_same(reference, read.picture) for reference in references):
            return source_itself
        if given is not None:
            return given
        area = changed_area(references, read.picture, is_exact=read.format in _EXACT_FORMATS)
        if area.getbbox() is None:
            return source_itself
        del sent, references
        return _patched(_as_stored(read.picture, plan), _as_stored(area, plan), source_data, plan, max_pixels)


def restored_undecoded(output: bytes, source_data: bytes, fitted: Fitted, compared: Comparison) -> Restored | None:
    """Return the artifact when no picture has to be decoded for it; None when one has.

    Args:
        output: As for `restore`.
        source_data: As for `restore`.
        fitted: As for `restore`.
        compared: As for `restore`.
    """
    if output == fitted.sent:
        return Restored(source_data, fitted.plan.source_format, *fitted.plan.source_size)
    return _as_given(output, fitted, compared) if compared.changed_ratio > 0 else None


def _as_given(output: bytes, fitted: Fitted, compared: Comparison) -> Restored | None:
    """Return the output itself, when it is made like its source, perhaps but for the profile."""
    plan, photo = fitted.plan, fitted.photo
    is_alike = compared.format == plan.source_format and compared.mode == photo.mode
    if not is_alike or not plan.is_unchanged or photo.exif_orientation != UPRIGHT:
        return None
    if photo.icc is None or compared.has_profile or plan.source_format == "BMP":
        return Restored(output, plan.source_format, *plan.source_size)
    finished = with_profile(output, plan.source_format, photo.icc)
    return Restored(finished, plan.source_format, *plan.source_size) if finished is not None else None


def _read_output(output: bytes) -> _Output:
    try:
        with opened(output, OUTPUT_FORMATS) as image:
            format_name, icc = format_family(image), icc_profile(image)
            tables = getattr(image, "quantization", None)
            sampling = get_sampling(image)
            decode(image, output)
            picture = Colours(image.mode, icc, None).rgb(image)
            return _Output(picture, format_name, image.mode, tables, sampling)
    except Undecodable as error:
        raise bad_output(error, output) from error


def _sent_again(data: bytes, plan: Plan, max_pixels: int) -> Image.Image:
    """Return the pixels of what was sent, exactly: comparing with less would take our own encoding for changes."""
    with source(data, max_pixels) as image:
        if image.size != plan.source_size or format_family(image) != plan.source_format:
            raise SourceRefused(
                "source_changed", "The photo is not the one that was sent any more; nothing was put into it."
            )
        shrink = min(image.width / plan.stored_size[0], image.height / plan.stored_size[1])
        load(image, data, shrink)
        colours = Colours(image.mode, icc_profile(image), plan.background)
        if plan.is_unchanged:
            return colours.rgb(image)
        picture = rendered(image, plan, colours)
    if plan.quality is None:
        return picture
    again = encode(picture, plan.quality)
    with opened(again, ("JPEG",)) as image:
        decode(image, again)
        return image.convert("RGB")


def _echoes(sent: Image.Image, read: _Output) -> list[Image.Image]:
    """Return what would have come back had nothing been changed but the encoding, if that can be told.

    A JPEG tells how it was encoded, so its losses can be had again, and do not count as changes.
    """
    if read.tables is None or read.mode not in {"L", "RGB"}:
        return []
    try:
        sampling = max(read.sampling, 0)
        echo = encoded(sent.convert(read.mode), "JPEG", qtables=read.tables, subsampling=sampling)
    except (ValueError, OSError):
        return []
    with opened(echo, ("JPEG",)) as image:
        decode(image, echo)
        return [image.convert("RGB")]


def _as_stored(picture: Image.Image, plan: Plan) -> Image.Image:
    left, top, width, height = plan.photo_box
    photo = picture.crop((left, top, left + width, top + height)) if plan.is_padded else picture
    turn = turn_back(plan.orientation)
    return photo if turn is None else photo.transpose(turn)


def _patched(output: Image.Image, area: Image.Image, data: bytes, plan: Plan, max_pixels: int) -> Restored:
    with source(data, max_pixels) as image:
        load(image, data)
        options = options_of(image, data, plan)
        colours = Colours(image.mode, icc_profile(image), plan.background)
        target = editable(image, plan.source_format)
        patch(target, output, area, colours)
        for format_name, chosen in (
            (plan.source_format, options),
            (plan.source_format, fallback_options(plan.source_format, options)),
        ):
            try:
                return Restored(saved(target, format_name, chosen), format_name, *plan.source_size)
            except Exception:  # noqa: S112 - encoders raise nearly anything; the paid output is worth another way
                continue
        plain = target if target.mode in {"1", "L", "LA", "RGB", "RGBA", "I;16"} else target.convert("RGB")
        return Restored(saved(plain, "PNG", {}), "PNG", *plan.source_size)
