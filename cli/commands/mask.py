"""`cleanplate mask`: run lengths from a drawn mask or boxes, back to a picture, and over the photo to look at."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.mask_pictures import check_target, drawn_mask, not_empty, read_size, read_typed, save, tinted, upright
from cli.speech import say
from core.figures import counted
from removal.mask import Mask, Order

Command = TypeVar("Command", bound=Callable[..., Any])

_file = click.Path(path_type=Path, dir_okay=False)
_photo_help = "The photo; its size counts as displayed, after any EXIF rotation."


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
    click.option("--box", "boxes", multiple=True, metavar="X,Y,W,H", help="A box in pixels; can be repeated."),
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
    """Create, read and view masks: areas to erase, as run lengths `start length start length ...`.

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
        found = drawn_mask(png)
    else:
        found = read_typed((), None, png, boxes, *read_size(size, photo), order, origin)
    say(not_empty(found).to_rle(order, origin))


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
    check_target(out, photo, file)
    found = read_typed(rle, file, None, (), *read_size(size, photo), order, origin)
    save(not_empty(found).to_image(), out)


@mask.command()
@_written
@_drawn
@_counting
@click.option("--photo", type=_file, required=True, help=_photo_help)
@click.option("--out", type=_file, required=True, help="The PNG to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
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
    check_target(out, photo, png, file)
    picture = upright(photo)
    found = not_empty(read_typed(rle, file, png, boxes, picture.width, picture.height, order, origin))
    save(tinted(picture, found), out)
    _tell(found, as_json=as_json)


def _tell(found: Mask, *, as_json: bool) -> None:
    box = found.bounding_box
    if as_json:
        told = {"width": found.width, "height": found.height, "area": found.area, "share": found.share, "box": box}
        say(json.dumps(told))
        return
    size = f"{found.width}×{found.height}"
    where = ",".join(map(str, box or ()))
    say(f"{counted(found.area, 'pixel')} to erase, {found.share:.2%} of {size}, within the box {where}")
