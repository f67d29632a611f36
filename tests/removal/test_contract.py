"""What a removal request may say, to whichever provider."""

import pytest

from core.errors import UsageError
from removal.contract import RemovalRequest


@pytest.mark.parametrize(
    ("url", "photo", "elements"),
    [
        pytest.param(None, None, (1,), id="neither"),
        pytest.param("https://shop.example/a.jpg", b"x", (1,), id="both"),
        pytest.param("https://shop.example/a.jpg", None, (), id="nothing to remove"),
        pytest.param("https://shop.example/a.jpg", None, (5,), id="unknown element"),
    ],
)
def test_a_request_no_api_would_take_is_not_made(
    url: str | None, photo: bytes | None, elements: tuple[int, ...]
) -> None:
    with pytest.raises(UsageError):
        RemovalRequest(url, photo, (), elements)


def test_the_photo_stays_out_of_the_repr() -> None:
    assert len(repr(RemovalRequest(None, b"x" * 10_000, (), (1,)))) < 200
