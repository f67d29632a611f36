"""Making the artifact: the removal API's output, put back as the source was."""

from dataclasses import dataclass

from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from core.errors import SourceRefused
from photos.comparison import OUTPUT_FORMATS, Comparison, bad_output
from photos.fitting.changes import changed_area, is_same
from photos.fitting.colours import Colours
from photos.fitting.encoding import encode
from photos.fitting.fitted import Fitted
from photos.fitting.original import load, source
from photos.fitting.painted import Painting, Restored, losses_of, painted
from photos.fitting.plan import Plan
from photos.fitting.profiles import with_profile
from photos.fitting.rendering import rendered
from photos.memory import MEMORY
from photos.metadata import bare, read, rewritten, written
from photos.orientation import UPRIGHT, turn_back
from photos.pictures import MAX_PIXELS, Undecodable, decode, encoded, format_family, icc_profile, opened

_EXACT_FORMATS = {"PNG", "BMP"}
_DEPTH_SENT = 8


@dataclass(frozen=True, slots=True)
class _Output:
    picture: Image.Image
    format: str
    mode: str
    tables: dict[int, list[int]] | None
    sampling: int


def restore(
    output: bytes,
    source_data: bytes,
    fitted: Fitted,
    compared: Comparison,
    *,
    is_bare: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Restored:
    """Return the artifact of a photo, which tells what the source tells beside its picture.

    Args:
        output: What the removal API gave.
        source_data: The photo's own file.
        fitted: What `fit` made of it.
        compared: How the output differs from that.
        is_bare: Whether it is to tell nothing: no Exif with GPS, XMP, IPTC, text or resolution.
        max_pixels: As given to `fit`.

    Raises:
        OutputError: `output_not_image` or `output_truncated`.
        SourceRefused: The source cannot be decoded (any more), or is not the one that was fitted (`source_changed`).
    """
    known = restored_undecoded(output, source_data, fitted, compared, is_bare=is_bare)
    if known is not None:
        return known
    plan = fitted.plan
    given = _as_given(output, source_data, fitted, compared, is_bare=is_bare)
    with MEMORY.hold_pixels(plan.source_size[0] * plan.source_size[1]):
        read = _read_output(output)
        sent = _sent_again(source_data, plan, max_pixels)
        references = [sent, *_echoes(sent, read)]
        is_echo = any(is_same(reference, read.picture) for reference in references)
        if not is_echo and given is not None:
            return given
        area = Image.new("L", read.picture.size)
        if not is_echo:
            area = changed_area(references, read.picture, is_exact=read.format in _EXACT_FORMATS)
        if area.getbbox() is None and (itself := _itself(source_data, plan, is_bare=is_bare)) is not None:
            return itself
        del sent, references
        painting = Painting(_as_stored(read.picture, plan), _as_stored(area, plan), fitted, is_bare=is_bare)
        return painted(painting, source_data, max_pixels)


def restored_undecoded(
    output: bytes, source_data: bytes, fitted: Fitted, compared: Comparison, *, is_bare: bool = False
) -> Restored | None:
    """Return the artifact when no picture has to be decoded for it; None when one has.

    Args:
        output: As for `restore`.
        source_data: As for `restore`.
        fitted: As for `restore`.
        compared: As for `restore`.
        is_bare: As for `restore`.
    """
    if output == fitted.sent:
        return _itself(source_data, fitted.plan, is_bare=is_bare)
    if compared.changed_ratio <= 0:
        return None
    return _as_given(output, source_data, fitted, compared, is_bare=is_bare)


def _itself(source_data: bytes, plan: Plan, *, is_bare: bool) -> Restored | None:
    """Return the source, byte for byte unless it is to tell nothing; None when it has to be written anew for that."""
    data = rewritten(source_data, plan.source_format, source_data, is_bare=True) if is_bare else source_data
    return Restored(data, plan.source_format, *plan.source_size) if data is not None else None


def _as_given(
    output: bytes, source_data: bytes, fitted: Fitted, compared: Comparison, *, is_bare: bool
) -> Restored | None:
    """Return the output's own picture, when it is made like its source; profile and what it tells are the source's."""
    plan, photo = fitted.plan, fitted.photo
    is_alike = compared.format == plan.source_format and compared.mode == photo.mode and photo.depth <= _DEPTH_SENT
    if not is_alike or not plan.is_unchanged or photo.exif_orientation != UPRIGHT:
        return None
    finished: bytes | None = output
    if photo.icc is not None and not compared.has_profile and plan.source_format != "BMP":
        finished = with_profile(output, plan.source_format, photo.icc)
    told = read(source_data, plan.source_format)
    if finished is None:
        return None
    try:
        finished = written(finished, plan.source_format, bare(told) if is_bare else told)
    except ValueError:
        return None
    return Restored(finished, plan.source_format, *plan.source_size, losses_of(told, is_bare=is_bare))


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
