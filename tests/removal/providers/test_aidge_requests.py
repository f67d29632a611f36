"""What Aidge is sent, field by field, and its signature against a value made with the openssl command."""

import base64
import json
from typing import Any

import httpx

from removal.bounds import Bounds
from removal.contract import RemovalRequest
from removal.provider import Account, find_provider
from removal.providers.aidge import encode, sign


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


def test_the_signature_is_the_vendors() -> None:
    assert sign("key-1", "topsecret", 1_700_000_000_000) == {
        "partner_id": "aidge",
        "sign_method": "sha256",
        "sign_ver": "v2",
        "app_key": "key-1",
        "timestamp": "1700000000000",
        "sign": "1C12C6420825926D1545BC15F6AE139E1BD7D4FBC55A5259E8CCB544C6E98D52",
    }


def test_each_moment_has_its_own_signature() -> None:
    first, second = (sign("key-1", "topsecret", now)["sign"] for now in (1_700_000_000_000, 1_700_000_000_001))
    assert first != second


def test_the_bounds_are_those_of_the_reference() -> None:
    provider = find_provider("aidge")(httpx.URL("http://localhost/"), Account("k", "s"))
    assert provider.bounds == Bounds(512, 3000, 10_000_000, ("JPEG", "PNG", "BMP"))
    assert provider.takes_bytes
