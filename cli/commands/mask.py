"""`cleanplate mask`: run lengths from a drawn mask or boxes, back to a picture, and over the photo to look at."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import click
from PIL import Image
from PIL.Image import Transpose

from core.errors import UsageError
from photos.orientation import TURNS, exif_orientation
from photos.photo import ARTIFACT_FORMATS
from photos.pictures import Undecodable, encoded, flattened, opened
from photos.pictures import decode as decode_pixels
from removal.mask import MAX_CHARACTERS, Mask, Order, check_size, mask_from_boxes, read_box, read_mask

Command = TypeVar("Command", bound=Callable[..., Any])

_SIDEWAYS = {Transpose.TRANSPOSE, Transpose.TRANSVERSE, Transpose.ROTATE_90, Transpose.ROTATE_270}
_TINT = "red"
_TINT_STRENGTH = 0.6

_file = click.Path(path_type=Path, dir_okay=False)
_photo_help = "The photo, whose size counts as it is seen, with any EXIF turn."


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_counting = _together(
    click.option(
        "--order",
        type=click.Choice(["row", "column"]),
        default="row",
        show_default=True,
        help="Whether pixels are counted along rows or down columns.",
    ),
    click.option(
        "--origin",
        type=click.IntRange(0, 1),
        default=0,
        show_default=True,
        help="The number of the first pixel.",
    ),
)
_drawn = _together(
    click.option("--png", type=_file, help="A drawn mask: white on black, or anything on transparent."),
    click.option("--box", "boxes", multiple=True, metavar="X,Y,W,H", help="A box in pixels; may be repeated."),
)
_written = _together(
    click.argument("rle", nargs=-1, metavar="[RLE]"),
    click.option("--file", type=click.Path(path_type=Path), help="Read the run lengths from a file; - is stdin."),
)
_sized = _together(
    click.option("--size", metavar="WxH", help="The photo's size in pixels, such as 800x800."),
    click.option("--photo", type=_file, help=_photo_help),
)


@click.group()
def mask() -> None:
    """Make, read and look at masks: areas to erase, as run lengths `start length start length ...`.

    To count a mask another way, decode it with its order and origin and encode the picture with the other ones.
    """


@mask.command()
@_drawn
@_sized
@_counting
def encode(
    png: Path | None, boxes: tuple[str, ...], size: str | None, photo: Path | None, order: Order, origin: int
) -> None:
    """Print the run lengths of a drawn mask (--png) or of boxes (--box).

    In a PNG with transparency, what is not fully transparent is to be erased; in one without, what is not black.
    """
    if png is not None and not boxes and size is None and photo is None:
        found = _drawn_mask(png)
    else:
        found = _read((), None, png, boxes, *_read_size(size, photo), order, origin)
    click.echo(_not_empty(found).to_rle(order, origin))


@mask.command()
@_written
@_sized
@_counting
@click.option("--out", type=_file, required=True, help="The PNG to write.")
def decode(
    rle: tuple[str, ...],
    file: Path | None,
    size: str | None,
    photo: Path | None,
    order: Order,
    origin: int,
    out: Path,
) -> None:
    """Draw run lengths as a PNG: white is to be erased, black is kept.

    RLE is the run lengths; - reads them from stdin.
    """
    _check_target(out, photo, file)
    found = _read(rle, file, None, (), *_read_size(size, photo), order, origin)
    _save(_not_empty(found).to_image(), out)


@mask.command()
@_written
@_drawn
@_counting
@click.option("--photo", type=_file, required=True, help=_photo_help)
@click.option("--out", type=_file, required=True, help="The PNG to write.")
@click.option("--json", "as_json", is_flag=True, help="Put one JSON object on stdout.")
def show(
    rle: tuple[str, ...],
    file: Path | None,
    png: Path | None,
    boxes: tuple[str, ...],
    order: Order,
    origin: int,
    photo: Path,
    out: Path,
    as_json: bool,
) -> None:
    """Draw the photo with the area to erase tinted red, and print how large that area is.

    RLE is the run lengths; - reads them from stdin. A drawn mask or boxes do as well.
    """
    _check_target(out, photo, png, file)
    picture = _upright(photo)
    found = _not_empty(_read(rle, file, png, boxes, picture.width, picture.height, order, origin))
    _save(_tinted(picture, found), out)
    _tell(found, as_json=as_json)


def _read(
    rle: tuple[str, ...],
    file: Path | None,
    png: Path | None,
    boxes: tuple[str, ...],
    width: int,
    height: int,
    order: Order,
    origin: int,
) -> Mask:
    if sum((bool(rle), file is not None, png is not None, bool(boxes))) != 1:
        raise UsageError("Give the mask in exactly one way; see --help.")
    if boxes:
        return mask_from_boxes((read_box(box) for box in boxes), width, height)
    if png is not None:
        found = _drawn_mask(png)
        found.require_size(width, height)
        return found
    text = _text_of(file or Path("-")) if file is not None or rle == ("-",) else " ".join(rle)
    return read_mask(text, width, height, order=order, origin=origin)


def _text_of(file: Path) -> str:
    is_stdin = str(file) == "-"
    try:
        with nullcontext(sys.stdin) if is_stdin else file.open(encoding="utf-8-sig") as stream:
            return stream.read(MAX_CHARACTERS + 1)
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        where = "What stdin gives" if is_stdin else str(file)
        raise UsageError(f"{where} is no text of run lengths; a drawn mask is given with --png.") from error


def _read_size(size: str | None, photo: Path | None) -> tuple[int, int]:
    if photo is not None and size is None:
        with _opened(photo, ARTIFACT_FORMATS) as (image, _):
            turned = _turn(image) in _SIDEWAYS
            return (image.height, image.width) if turned else image.size
    if size is None or photo is not None:
        raise UsageError("Say how large the photo is, with either --size WxH or --photo FILE.")
    width, _, height = size.lower().replace("×", "x").partition("x")
    if not all(side.isascii() and side.isdigit() and len(side) < 10 for side in (width, height)):
        raise UsageError(f"--size {size[:40]!a} is no size: write width x height in pixels, such as 800x600.")
    return int(width), int(height)


def _not_empty(found: Mask) -> Mask:
    if not found.runs:
        raise UsageError("The mask is empty: there is nothing to erase in it.")
    return found


def _tell(found: Mask, *, as_json: bool) -> None:
    box = found.bounding_box
    if as_json:
        told = {"width": found.width, "height": found.height, "area": found.area, "share": found.share, "box": box}
        click.echo(json.dumps(told))
        return
    size = f"{found.width}×{found.height}"
    click.echo(
        f"{found.area:,} pixels to erase, {found.share:.2%} of {size}, all in the box {','.join(map(str, box or ()))}"
    )


@contextmanager
def _opened(path: Path, formats: tuple[str, ...]) -> Iterator[tuple[Image.Image, bytes]]:
    try:
        data = path.read_bytes()
        with opened(data, formats) as image:
            check_size(*image.size)
            yield image, data
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from error
    except Undecodable as error:
        raise UsageError(f"{path} cannot be read as {', '.join(formats)}: {error}.") from error


def _drawn_mask(png: Path) -> Mask:
    with _opened(png, ("PNG",)) as (image, data):
        decode_pixels(image, data)
        return Mask.from_image(image)


def _turn(image: Image.Image) -> Transpose | None:
    return TURNS.get(exif_orientation(image.info.get("exif")))


def _upright(photo: Path) -> Image.Image:
    with _opened(photo, ARTIFACT_FORMATS) as (image, data):
        turn = _turn(image)
        decode_pixels(image, data)
        plain = flattened(image)
    return plain if turn is None else plain.transpose(turn)


def _tinted(photo: Image.Image, found: Mask) -> Image.Image:
    tint = Image.blend(photo, Image.new("RGB", photo.size, _TINT), _TINT_STRENGTH)
    return Image.composite(tint, photo, found.to_image())


def _check_target(out: Path, *inputs: Path | None) -> None:
    if out.suffix.lower() != ".png":
        raise UsageError(f"--out {out} must be a .png: other formats would blur the edges.")
    if any(given is not None and given.resolve() == out.resolve() for given in inputs):
        raise UsageError(f"--out {out} is one of the files to be read; name another, so that it is not overwritten.")


def _save(image: Image.Image, out: Path) -> None:
    try:
        out.write_bytes(encoded(image, "PNG"))
    except OSError as error:
        raise UsageError(f"Cannot write {out}: {error.strerror}.") from error
