"""The request body, field by field."""

import base64
import json
from typing import Any

import pytest

from core.errors import UsageError
from removal.contract import RemovalRequest, encode


def body_of(request: RemovalRequest) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(request))
    return body


def test_a_url_is_sent_with_arrays_inside_strings() -> None:
    request = RemovalRequest("https://shop.example/ä.jpg", None, subject_elements=(1, 2), elements=(1, 2, 3, 4))
    assert body_of(request) == {
        "image_url": "https://shop.example/ä.jpg",
        "object_remove_elements": "[1,2]",
        "non_object_remove_elements": "[1,2,3,4]",
    }


def test_bytes_are_sent_as_base64_and_without_a_url() -> None:
    photo = bytes(range(256)) * 5
    body = body_of(RemovalRequest(None, photo, subject_elements=(), elements=(3,)))
    assert base64.b64decode(body.pop("image_Base64"), validate=True) == photo
    assert body == {"object_remove_elements": "[]", "non_object_remove_elements": "[3]"}


def test_a_mask_needs_no_elements() -> None:
    body = body_of(RemovalRequest("https://shop.example/a.jpg", None, (), (), mask="100 5 900 5"))
    assert body["mask"] == "100 5 900 5"
    assert "non_object_remove_elements" not in body


@pytest.mark.parametrize(
    ("url", "photo", "elements"),
    [
        pytest.param(None, None, (1,), id="neither"),
        pytest.param("https://shop.example/a.jpg", b"x", (1,), id="both"),
        pytest.param("https://shop.example/a.jpg", None, (), id="nothing to take off"),
        pytest.param("https://shop.example/a.jpg", None, (5,), id="unknown element"),
    ],
)
def test_a_request_the_api_would_refuse_is_not_made(
    url: str | None, photo: bytes | None, elements: tuple[int, ...]
) -> None:
    with pytest.raises(UsageError):
        RemovalRequest(url, photo, (), elements)


def test_the_photo_stays_out_of_the_repr() -> None:
    assert len(repr(RemovalRequest(None, b"x" * 10_000, (), (1,)))) < 200
