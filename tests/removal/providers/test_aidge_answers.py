"""What each answer of Aidge and its gateway means, whatever bytes they are."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.states import AnswerClass
from removal.answers import Answer, HttpReply
from removal.provider import Account, find_provider

NOW = 1_700_000_000.0
OUTPUT = "https://cdn.example/out.png"
AIDGE = find_provider("aidge")(httpx.URL("http://localhost/"), Account("k", "s"))


def read(payload: object, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return AIDGE.read(HttpReply(status, headers or {}, body, NOW))


RESULT_CODES = {
    501: AnswerClass.THROTTLED,
    700: AnswerClass.PERMANENT,
    701: AnswerClass.SOURCE,
    702: AnswerClass.SOURCE,
    703: AnswerClass.PERMANENT,
    704: AnswerClass.PERMANENT,
    705: AnswerClass.PERMANENT,
    801: AnswerClass.PROVIDER_FAULT,
    900: AnswerClass.PROVIDER_FAULT,
    1000: AnswerClass.PERMANENT,
    1001: AnswerClass.PROVIDER_FAULT,
    1002: AnswerClass.PROVIDER_FAULT,
    999: AnswerClass.UNKNOWN,
}


@pytest.mark.parametrize("typed", [int, str, float])
@pytest.mark.parametrize(("code", "expected"), RESULT_CODES.items())
def test_every_result_code_as_number_and_as_string(code: int, expected: AnswerClass, typed: type) -> None:
    answer = read({"resCode": typed(code), "resMessage": "said so", "requestId": "r-1", "success": False})
    assert (answer.answer_class, answer.message, answer.request_id) == (expected, "said so", "r-1")
    assert answer.code == str(code)


GATEWAY_CODES = {
    "ApiCallLimit": AnswerClass.THROTTLED,
    "AppCallLimit": AnswerClass.THROTTLED,
    "IncompleteSignature": AnswerClass.ACCOUNT,
    "InvalidSignature": AnswerClass.ACCOUNT,
    "IllegalTimestamp": AnswerClass.ACCOUNT,
    "InvalidTimestamp": AnswerClass.ACCOUNT,
    "InvalidAppKey": AnswerClass.ACCOUNT,
    "IllegalAccessToken": AnswerClass.ACCOUNT,
    "InsufficientPermission": AnswerClass.ACCOUNT,
    "InsufficientIsvPermissions": AnswerClass.ACCOUNT,
    "NoResource": AnswerClass.ACCOUNT,
    "ServiceTimeout": AnswerClass.UNKNOWN,
}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(("code", "expected"), GATEWAY_CODES.items())
def test_every_gateway_code_inside_any_status(code: str, expected: AnswerClass, status: int) -> None:
    answer = read({"type": "ISV", "code": code, "message": "refused", "request_id": "g-1"}, status)
    assert answer.answer_class is expected
    assert answer.request_id == "g-1"
    assert answer.code == (code if expected is not AnswerClass.UNKNOWN or status == 200 else "http_400")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, AnswerClass.THROTTLED),
        (401, AnswerClass.ACCOUNT),
        (403, AnswerClass.ACCOUNT),
        (500, AnswerClass.PROVIDER_FAULT),
        (502, AnswerClass.PROVIDER_FAULT),
        (503, AnswerClass.PROVIDER_FAULT),
        (504, AnswerClass.PROVIDER_FAULT),
        (413, AnswerClass.PERMANENT),
        (414, AnswerClass.PERMANENT),
        (302, AnswerClass.UNKNOWN),
        (404, AnswerClass.UNKNOWN),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b'{"some":"thing"}'])
def test_statuses_speak_when_the_body_does_not(status: int, expected: AnswerClass, body: bytes) -> None:
    answer = read(body, status)
    assert (answer.answer_class, answer.code, answer.http_status) == (expected, f"http_{status}", status)


def test_a_known_code_says_more_than_the_status() -> None:
    assert read({"resCode": 1000}, 500).answer_class is AnswerClass.PERMANENT
    assert read({"code": "ApiCallLimit"}, 403).answer_class is AnswerClass.THROTTLED
    assert read({"resCode": 1000}, 429).answer_class is AnswerClass.THROTTLED


@pytest.mark.parametrize("name", ["imageUrl", "image_url", "ImageUrl"])
@pytest.mark.parametrize("wrap", [lambda data: data, json.dumps], ids=["object", "string"])
@pytest.mark.parametrize("code", [200, "200"])
def test_success_in_every_spelling(name: str, wrap: Any, code: object) -> None:
    answer = read({"resCode": code, "data": wrap({name: OUTPUT}), "requestId": "r-1", "code": "0", "success": True})
    assert (answer.answer_class, answer.output_url, answer.code) == (AnswerClass.SUCCESS, OUTPUT, "200")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"resCode": 200}, "no_output_url"),
        ({"resCode": 200, "data": None}, "no_output_url"),
        ({"resCode": 200, "data": "{broken"}, "no_output_url"),
        ({"resCode": 200, "data": {"imageUrl": "javascript:alert(1)"}}, "no_output_url"),
        ({"resCode": 200, "data": {"imageUrl": OUTPUT}, "success": False}, "success_false"),
        ({"resCode": True, "data": {"imageUrl": OUTPUT}}, "no_code"),
        ({}, "no_code"),
        ([], "not_an_object"),
        ("text", "not_an_object"),
        (b"<!DOCTYPE html><p>Welcome", "not_json"),
        (b'{"resCode": 200, "data": {"imageU', "truncated_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"resCode": ' + b"9" * 5000 + b"}", "truncated_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"", "empty_body"),
        (b" \n", "empty_body"),
    ],
)
def test_what_cannot_be_understood_is_unknown(payload: object, code: str) -> None:
    answer = read(payload)
    assert (answer.answer_class, answer.code, answer.output_url) == (AnswerClass.UNKNOWN, code, None)


def test_a_gateway_envelope_merged_with_a_result() -> None:
    merged = {"resCode": 801, "resMessage": "model failed", "code": "0", "_trace_id_": "t-1", "request_id": "g-1"}
    answer = read(merged)
    assert (answer.code, answer.request_id) == ("801", "g-1")
    assert read({"code": "IllegalTimestamp", "resCode": 200}).answer_class is AnswerClass.ACCOUNT
    assert read({"resCode": 801, "_trace_id_": "t-1"}).request_id == "t-1"


def test_an_exhausted_quota_is_known_by_its_words() -> None:
    answer = read({"code": "Whatever", "message": "Sorry, your calling resources have been exhausted, please buy"})
    assert (answer.answer_class, answer.code) == (AnswerClass.ACCOUNT, "Whatever")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('The input parameter "app_key" that is mandatory is not supplied', AnswerClass.ACCOUNT),
        ('The input parameter "timestamp" that is mandatory is not supplied', AnswerClass.ACCOUNT),
        ('The input parameter "image_url" that is mandatory is not supplied', AnswerClass.UNKNOWN),
    ],
)
def test_only_a_missing_signing_parameter_is_the_accounts_fault(message: str, expected: AnswerClass) -> None:
    assert read({"code": "MissingParameter", "message": message}).answer_class is expected


@pytest.mark.parametrize(
    ("message", "headers", "seconds"),
    [
        ("Api access frequency exceeds the limit. this ban will last 1 seconds", {}, 1.0),
        ("This ban will last 2.5 seconds more", {}, 2.5),
        ("This ban will last 2000ms", {}, 2.0),
        ("this ban will last for 3 seconds", {}, 3.0),
        ("this ban will last 2 more minutes", {}, 120.0),
        ("this ban will last 300 milliseconds", {}, 0.3),
        ("slow down", {"retry-after": "7"}, 7.0),
        ("this ban will last 1 seconds", {"retry-after": "3"}, 3.0),
        ("slow down", {"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10.0),
        ("slow down", {"retry-after": "Tue, 14 Nov 2023 22:13:10 GMT"}, 0.0),
        ("slow down", {"retry-after": "-5"}, 0.0),
        ("slow down", {"retry-after": "1e300"}, 3600.0),
        ("slow down", {"retry-after": "inf"}, None),
        ("slow down", {"retry-after": "soon"}, None),
        ("slow down", {}, None),
    ],
)
def test_how_long_to_stay_away(message: str, headers: dict[str, str], seconds: float | None) -> None:
    assert read({"code": "ApiCallLimit", "message": message}, headers=headers).ban_seconds == seconds


def test_the_raw_answer_is_cut_and_can_be_stored() -> None:
    answer = read({"resCode": 801, "resMessage": "a\x00b\ud800", "padding": "x" * 10_000})
    assert len(answer.raw) == 4096
    assert answer.message == "a\ufffdb?"
    assert "\x00" not in read(b"\x00" * 10).raw


@given(st.integers(100, 599), st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_give_an_answer(status: int, body: bytes) -> None:
    assert read(body, status).http_status == status


TEXT = st.text("aZ0 :/.\x00\ud800{", max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | TEXT | st.sampled_from([200, "200", OUTPUT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.just("imageUrl"), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["resCode", "code", "message", "resMessage", "data", "success", "requestId"])


@given(st.dictionaries(NAMES, JSON), st.sampled_from([200, 429, 500]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_gives_an_answer_without_inventing_an_output(payload: dict[str, Any], status: int) -> None:
    answer = read(payload, status)
    assert (answer.output_url is not None) == (answer.answer_class is AnswerClass.SUCCESS)
    assert answer.code
