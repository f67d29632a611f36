"""The largest connected piece of what changed."""

from PIL import Image, ImageDraw

from photos.pieces import largest_piece


def drawn(*boxes: tuple[int, int, int, int]) -> Image.Image:
    """Draw boxes by their first and last pixel on 20×10 pixels."""
    picture = Image.new("L", (20, 10))
    for box in boxes:
        ImageDraw.Draw(picture).rectangle(box, fill=255)
    return picture


def test_nothing_changed() -> None:
    assert largest_piece(drawn()) == (0.0, (0, 0, 0, 0))


def test_the_larger_of_two_is_told_with_its_place() -> None:
    assert largest_piece(drawn((0, 0, 1, 1), (5, 2, 9, 5))) == (20 / 200, (5, 2, 5, 4))


def test_corners_touch_and_edges_do_not_wrap() -> None:
    assert largest_piece(drawn((0, 0, 1, 1), (2, 2, 3, 3))) == (8 / 200, (0, 0, 4, 4))
    assert largest_piece(drawn((18, 3, 19, 3), (0, 4, 0, 4))) == (2 / 200, (18, 3, 2, 1))


def test_all_of_it() -> None:
    assert largest_piece(drawn((0, 0, 19, 9))) == (1.0, (0, 0, 20, 10))
