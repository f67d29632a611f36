"""How jobs say what to erase, before their photo's size is known."""

import io

import pytest
from PIL import Image

from core.errors import UsageError
from removal.mask import ask_for_boxes, ask_for_drawn, check_asked, mask_from_boxes, read_asked


def png(width: int, height: int, box: tuple[int, int, int, int] | None) -> bytes:
    picture = Image.new("L", (width, height))
    if box is not None:
        picture.paste(255, box)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_boxes_are_of_any_photo_they_lie_in() -> None:
    asked = check_asked(ask_for_boxes([(10, 20, 30, 5), (0, 0, 4, 4)]))
    assert asked == "box 10,20,30,5 0,0,4,4"
    expected = mask_from_boxes([(10, 20, 30, 5), (0, 0, 4, 4)], 100, 80)
    assert read_asked(asked, 100, 80, order="column", origin=1) == expected
    with pytest.raises(UsageError, match="outside the photo"):
        read_asked(asked, 39, 80, order="row", origin=0)


def test_what_was_drawn_is_of_photos_of_its_size_only() -> None:
    asked = ask_for_drawn(png(50, 40, (10, 10, 20, 15)))
    assert asked.startswith("50x40: 510 10 ")
    expected = mask_from_boxes([(10, 10, 10, 5)], 50, 40)
    # It counts along rows from 0 whatever the provider does.
    assert read_asked(check_asked(asked), 50, 40, order="column", origin=1) == expected
    with pytest.raises(UsageError, match="50×40 pixels and the photo 100×80"):
        read_asked(asked, 100, 80, order="row", origin=0)


@pytest.mark.parametrize(
    ("text", "asked"), [(" 10 5\n30,5 ", "10 5 30 5"), ("\ufeff1, 2", "1 2"), ("9x9:1 2", "9x9: 1 2")]
)
def test_run_lengths_may_be_parted_in_many_ways(text: str, asked: str) -> None:
    assert check_asked(text) == asked


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("100,200,300,80", "look like a box"),
        ("5 5\n1, 2, 3, 4", "look like a box"),
        ("", "empty"),
        ("9x9: ", "empty"),
        ("1 2 3", "no run lengths"),
        ("a b", "no run lengths"),
        ("-1 5", "no run lengths"),
        ("²5 5", "no run lengths"),
        ("box ", "1 to 1,000 boxes"),
        ("box 1,2,3", "is no box"),
        ("box 1,2,3,4.5", "is no box"),
        ("box " + "1,2,3,4 " * 1001, "1 to 1,000 boxes"),
    ],
)
def test_what_is_no_mask(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_asked(text)


@pytest.mark.parametrize(
    ("data", "words"),
    [(png(9, 9, None), "empty"), (b"\x89PNG\r\n\x1a\nxx", "as a PNG"), (png(9, 9, None)[:40], "as a PNG")],
)
def test_what_is_no_drawing(data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ask_for_drawn(data)
