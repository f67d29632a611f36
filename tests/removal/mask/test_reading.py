"""Run lengths as text: what is taken, what is refused, and that nothing is lost on the way."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from removal.mask import MAX_CHARACTERS, MAX_RUNS, Mask, Order, read_mask
from tests.removal.mask.pixels import masks, pixels_of, pixels_of_text

ORDERS = st.sampled_from(["row", "column"])
ORIGINS = st.integers(0, 1)
REFERENCE = "474556 160 475356 160 476156 160 476956 160"


def test_the_references_own_example_is_rows_of_160_over_a_photo_800_wide() -> None:
    mask = read_mask(REFERENCE, 800, 800)
    assert mask.bounding_box == (156, 593, 160, 4)
    assert mask.area == 4 * 160
    assert mask.to_rle() == REFERENCE


def test_the_references_own_example_is_columns_of_160_over_a_photo_800_high() -> None:
    mask = read_mask(REFERENCE, 800, 800, order="column")
    assert mask.bounding_box == (593, 156, 4, 160)
    assert mask.to_rle("column") == REFERENCE


def test_counted_from_1_everything_is_one_pixel_earlier() -> None:
    assert read_mask(REFERENCE, 800, 800, origin=1).bounding_box == (155, 593, 160, 4)


@given(masks(), ORDERS, ORIGINS)
def test_what_is_written_is_read_again(mask: Mask, order: Order, origin: int) -> None:
    again = read_mask(mask.to_rle(order, origin), mask.width, mask.height, order=order, origin=origin)
    assert again == mask
    assert again.area == mask.area


@given(masks(), ORDERS, ORIGINS)
def test_text_means_the_pixels_it_counts(mask: Mask, order: Order, origin: int) -> None:
    text = mask.to_rle(order, origin)
    assert pixels_of_text(text, mask.width, mask.height, order, origin) == pixels_of(mask)


@given(masks(), ORDERS, ORIGINS)
def test_written_text_is_sorted_and_merged(mask: Mask, order: Order, origin: int) -> None:
    numbers = [int(word) for word in mask.to_rle(order, origin).split(" ") if word]
    ends = [start + length for start, length in zip(numbers[::2], numbers[1::2], strict=True)]
    assert all(end < start for end, start in zip(ends, numbers[2::2], strict=False))


@given(st.text(), ORDERS, ORIGINS)
def test_any_text_is_read_or_refused(text: str, order: Order, origin: int) -> None:
    try:
        mask = read_mask(text, 7, 5, order=order, origin=origin)
    except UsageError:
        return
    assert 0 <= mask.area <= 35


@given(st.text("0123456789 ,-+.\n\t_x٣\u00a0\ud800\ufeff", max_size=40), ORDERS, ORIGINS)
def test_text_that_is_nearly_right_is_read_or_refused(text: str, order: Order, origin: int) -> None:
    try:
        mask = read_mask(text, 7, 5, order=order, origin=origin)
    except UsageError:
        return
    assert pixels_of(mask) == pixels_of_text(text.strip("\ufeff").replace(",", " "), 7, 5, order, origin)


@pytest.mark.parametrize(
    "text",
    [
        "3 2  12 4",
        " 3 2\n12 4\n",
        "3\t2\t12\t4",
        "3,2,12,4",
        "3, 2, 12, 4,",
        "\ufeff3 2 12 4",
        "3 2\u00a012 4",
        "03 2 0000000000000000000000000012 4",
        "12 4 3 2",
        "12 2 13 3 3 1 4 1 3 2",
    ],
)
def test_spacing_order_and_overlap_do_not_matter(text: str) -> None:
    assert read_mask(text, 6, 4).to_rle() == "3 2 12 4"


@pytest.mark.parametrize("text", ["", " \n", "\ufeff", ","])
def test_text_without_numbers_is_an_empty_mask(text: str) -> None:
    mask = read_mask(text, 6, 4)
    assert mask.area == 0
    assert mask.to_rle() == ""
    assert mask.bounding_box is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3 2 12", "3 numbers; they come in pairs of start and length, and the last one, '12', is alone"),
        ("3 2 12 -4", "Number 4 of the mask, '-4', is negative"),
        ("3 2 twelve 4", "Number 3 of the mask is 'twelve'"),
        ("3 2.5", "Number 2 of the mask is '2.5'"),
        ("3 2_0", "Number 2 of the mask is '2_0'"),
        ("3 +2", "Number 2 of the mask is '+2'"),
        ("3 ٢", r"Number 2 of the mask is '\u0662'"),
        ("[3, 2]", "Number 1 of the mask is '[3'"),
        ("\x1b[31m 2", r"Number 1 of the mask is '\x1b[31m'"),
        ("3 2 12 0", "Run 2 of the mask, 12 0, has no length"),
        ("3 2 20 5", "Run 2 of the mask, 20 5, goes beyond the photo: 6×4 pixels end at number 23"),
        ("24 1", "Run 1 of the mask, 24 1, goes beyond the photo"),
        ("1" * 5000 + " 1", "Run 1 of the mask, 111111111111111111... 1, goes beyond the photo"),
        ("1 " + "9" * 5000, "Run 1 of the mask, 1 999999999999999999..., goes beyond the photo"),
        ("z" * 5000, "Number 1 of the mask is '" + "z" * 24 + "...'"),
        ("1" * (MAX_CHARACTERS + 1), "more than 10,000,000 characters"),
        ("1 1 " * MAX_RUNS + "1", "more than 500,000 runs"),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("order", ["row", "column"])
def test_what_is_wrong_is_said_and_where(text: str, message: str, order: Order) -> None:
    with pytest.raises(UsageError) as caught:
        read_mask(text, 6, 4, order=order)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 250


def test_counted_from_1_the_first_and_last_number_are_one_more() -> None:
    assert read_mask("1 24", 6, 4, origin=1).area == 24
    with pytest.raises(UsageError, match="starts before the first pixel, which is number 1"):
        read_mask("0 2", 6, 4, origin=1)
    with pytest.raises(UsageError, match="end at number 24"):
        read_mask("24 2", 6, 4, origin=1)


def test_another_order_or_origin_is_refused() -> None:
    diagonal = cast(Order, "diagonal")
    mask = Mask(6, 4, ((3, 2),))
    for attempt in (
        lambda: read_mask("3 2", 6, 4, order=diagonal),
        lambda: read_mask("3 2", 6, 4, origin=2),
        lambda: mask.to_rle(diagonal),
        lambda: mask.to_rle(origin=-1),
    ):
        with pytest.raises(UsageError, match=r"diagonal|not 2|not -1"):
            attempt()


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (-1, 5), (10**6, 10**6)])
def test_a_size_no_photo_has_is_refused(width: int, height: int) -> None:
    with pytest.raises(UsageError, match=f"{width}×{height}"):
        read_mask("", width, height)
