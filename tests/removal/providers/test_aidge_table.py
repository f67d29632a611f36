"""Every row of the answer table, over HTTP: from the sandbox what it can say, from a scripted server the spellings."""

import base64
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import pytest
from PIL import Image

from core.states import AnswerClass
from removal.answers import Answer
from removal.client import RemovalClient
from removal.contract import RemovalRequest
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from tests.removal.loopback import Talk, serving

SECRET = "s3cret-of-the-account"
OUTPUT = "https://cdn.example/out.png"


def picture(size: tuple[int, int] = (520, 520), form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "#c8d4e0").save(buffer, form)
    return buffer.getvalue()


REQUEST = RemovalRequest(None, picture(), (), (1, 2, 3, 4))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxSettings(rate=0, echo=True, secret=SECRET, timeout_seconds=5, slow_seconds=0)) as server:
        yield server


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[RemovalClient]:
    sandbox.reset()
    sandbox.configure(faults={}, next="", rate=0, throttle_style="rescode", clock_tolerance_seconds=900.0)
    made = client_of(sandbox.url)
    yield made
    made.close()


def client_of(url: str, **changes: Any) -> RemovalClient:
    account = {"key": "sandbox", "secret": SECRET} | changes
    return RemovalClient(f"{url}/rest/ai/image/removal", **account)


ROWS = [
    ("ok", AnswerClass.SUCCESS, "200", "success"),
    ("501", AnswerClass.THROTTLED, "501", "rate limit exceed"),
    ("700", AnswerClass.PERMANENT, "700", "invalid input"),
    ("701", AnswerClass.SOURCE, "701", "image url error"),
    ("702", AnswerClass.SOURCE, "702", "image base64 error"),
    ("703", AnswerClass.PERMANENT, "703", "image size exceeds the limit"),
    ("704", AnswerClass.PERMANENT, "704", "invalid image form"),
    ("705", AnswerClass.PERMANENT, "705", "image file size exceeds the limit"),
    ("801", AnswerClass.PROVIDER_FAULT, "801", "model failed"),
    ("900", AnswerClass.PROVIDER_FAULT, "900", "tpp url error"),
    ("1000", AnswerClass.PERMANENT, "1000", "content has sensitive data, please try other input"),
    ("1001", AnswerClass.PROVIDER_FAULT, "1001", "content control failed, please retry"),
    ("1002", AnswerClass.PROVIDER_FAULT, "1002", "content risk filter failed, please contact us"),
    ("999", AnswerClass.UNKNOWN, "999", "unknown error"),
    ("ApiCallLimit", AnswerClass.THROTTLED, "ApiCallLimit", "this ban will last 1 seconds"),
    ("AppCallLimit", AnswerClass.THROTTLED, "AppCallLimit", "this ban will last 1 seconds"),
    ("IllegalAccessToken", AnswerClass.ACCOUNT, "IllegalAccessToken", "access token"),
    ("IllegalTimestamp", AnswerClass.ACCOUNT, "IllegalTimestamp", "timestamp"),
    ("IncompleteSignature", AnswerClass.ACCOUNT, "IncompleteSignature", "signature"),
    ("InvalidAppKey", AnswerClass.ACCOUNT, "InvalidAppKey", "App Key"),
    ("NoResource", AnswerClass.ACCOUNT, "NoResource", "calling resources have been exhausted"),
    ("FreeQuotaExhausted", AnswerClass.ACCOUNT, "FreeQuotaExhausted", ""),
    ("ServiceNotOpened", AnswerClass.ACCOUNT, "ServiceNotOpened", ""),
    ("SomethingNew", AnswerClass.UNKNOWN, "SomethingNew", "SomethingNew"),
    ("http500", AnswerClass.PROVIDER_FAULT, "http_500", "HTTP 500"),
    ("http502", AnswerClass.PROVIDER_FAULT, "http_502", "HTTP 502"),
    ("http503", AnswerClass.PROVIDER_FAULT, "http_503", "HTTP 503"),
    ("http504", AnswerClass.PROVIDER_FAULT, "http_504", "HTTP 504"),
    ("http429", AnswerClass.THROTTLED, "http_429", "HTTP 429"),
    ("http401", AnswerClass.ACCOUNT, "http_401", "HTTP 401"),
    ("http403", AnswerClass.ACCOUNT, "http_403", "HTTP 403"),
    ("http404", AnswerClass.UNKNOWN, "http_404", "HTTP 404"),
    ("http413", AnswerClass.PERMANENT, "http_413", "HTTP 413"),
    ("html", AnswerClass.UNKNOWN, "not_json", "not json"),
    ("truncated", AnswerClass.UNKNOWN, "truncated_json", "truncated json"),
    ("missing_output", AnswerClass.UNKNOWN, "no_output_url", ""),
    ("drop", AnswerClass.MAYBE_BILLED, "connection_lost", ""),
    ("slow", AnswerClass.SUCCESS, "200", "success"),
]


@pytest.mark.parametrize(("fault", "expected", "code", "words"), ROWS, ids=[row[0] for row in ROWS])
def test_row(
    sandbox: SandboxServer, client: RemovalClient, fault: str, expected: AnswerClass, code: str, words: str
) -> None:
    sandbox.configure(next=fault)
    answer = client.call(REQUEST)
    assert (answer.answer_class, answer.code) == (expected, code)
    assert words in answer.message
    assert (answer.output_url is not None) == (expected is AnswerClass.SUCCESS)
    assert answer.ban_seconds == (1.0 if fault.endswith("CallLimit") else None)
    # What was not a plain success can be looked at later.
    assert answer.raw or expected is AnswerClass.MAYBE_BILLED


def test_a_read_timeout_may_have_been_billed(sandbox: SandboxServer) -> None:
    sandbox.configure(next="timeout")
    client = client_of(sandbox.url, read_timeout=0.3)
    answer = client.call(REQUEST)
    client.close()
    assert (answer.answer_class, answer.code) == (AnswerClass.MAYBE_BILLED, "read_timeout")


@pytest.mark.parametrize(
    ("style", "code", "ban"), [("rescode", "501", None), ("http429", "http_429", 1.0), ("gateway", "ApiCallLimit", 1.0)]
)
def test_over_the_quota(
    sandbox: SandboxServer, client: RemovalClient, style: str, code: str, ban: float | None
) -> None:
    sandbox.configure(rate=1, throttle_style=style)
    first, second = client.call(REQUEST), client.call(REQUEST)
    assert first.code == "200"
    assert (second.answer_class, second.code, second.ban_seconds) == (AnswerClass.THROTTLED, code, ban)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(RemovalRequest("http://127.0.0.1:1/a.jpg", None, (), (1,)), "701", id="url-refused"),
        pytest.param(RemovalRequest(None, b"no picture", (), (1,)), "702", id="no-picture"),
        pytest.param(RemovalRequest(None, picture((511, 520)), (), (1,)), "703", id="narrow"),
        pytest.param(RemovalRequest(None, picture(form="WEBP"), (), (1,)), "704", id="webp"),
        pytest.param(RemovalRequest(None, b"\xff\xd8\xff" + bytes(10_500_000), (), (1,)), "705", id="big"),
        pytest.param(RemovalRequest(None, picture(), (), (), mask="1 2 3"), "700", id="broken-mask"),
    ],
)
def test_photos_that_are_refused(client: RemovalClient, request_: RemovalRequest, code: str) -> None:
    assert client.call(request_).code == code


@pytest.mark.parametrize(
    ("changes", "code"), [({"secret": "another"}, "IncompleteSignature"), ({"key": "another"}, "InvalidAppKey")]
)
def test_a_wrong_account(sandbox: SandboxServer, changes: dict[str, str], code: str) -> None:
    client = client_of(sandbox.url, **changes)
    answer = client.call(REQUEST)
    client.close()
    assert (answer.answer_class, answer.code) == (AnswerClass.ACCOUNT, code)


def test_a_clock_that_is_off(sandbox: SandboxServer, client: RemovalClient) -> None:
    sandbox.configure(clock_tolerance_seconds=-1.0)
    answer = client.call(REQUEST)
    assert (answer.answer_class, answer.code) == (AnswerClass.ACCOUNT, "IllegalTimestamp")


@contextmanager
def saying(body: object, status: int = 200, headers: str = "") -> Iterator[RemovalClient]:
    def behave(talk: Talk) -> None:
        while talk.read_request():
            talk.answer(body if isinstance(body, bytes) else json.dumps(body).encode(), status, headers)

    with serving(behave) as server:
        client = client_of(server.url)
        yield client
        client.close()


def heard(body: object, status: int = 200, headers: str = "") -> Answer:
    with saying(body, status, headers) as client:
        return client.call(REQUEST)


@pytest.mark.parametrize("name", ["imageUrl", "image_url", "ImageUrl"])
@pytest.mark.parametrize("wrap", [lambda data: data, json.dumps], ids=["object", "json-text"])
@pytest.mark.parametrize("code", [200, "200", 200.0], ids=["int", "text", "float"])
def test_a_success_in_every_spelling(name: str, wrap: Any, code: object) -> None:
    answer = heard({"resCode": code, "data": wrap({name: OUTPUT}), "requestId": "r-1", "success": "true"})
    assert (answer.answer_class, answer.output_url, answer.request_id) == (AnswerClass.SUCCESS, OUTPUT, "r-1")


@pytest.mark.parametrize("success", [True, "true", None])
@pytest.mark.parametrize("envelope", [{}, {"code": "0"}, {"code": 200}], ids=["bare", "zero", "200"])
def test_a_success_that_names_no_result_code(success: object, envelope: dict[str, object]) -> None:
    answer = heard({**envelope, "success": success, "data": {"imageUrl": OUTPUT}})
    assert (answer.answer_class, answer.output_url, answer.code) == (AnswerClass.SUCCESS, OUTPUT, "200")


@pytest.mark.parametrize(
    ("name", "value"), [("requestId", "a"), ("request_id", "b"), ("RequestId", "c"), ("_trace_id_", "d")]
)
@pytest.mark.parametrize("message", ["resMessage", "message", "msg"])
def test_ids_and_messages_in_every_spelling(name: str, value: str, message: str) -> None:
    answer = heard({"resCode": "801", name: value, message: "said so"})
    assert (answer.code, answer.request_id, answer.message) == ("801", value, "said so")


@pytest.mark.parametrize("status", [200, 400, 403])
def test_an_envelope_of_the_gateway_inside_any_status(status: int) -> None:
    envelope = {"type": "ISV", "code": "IllegalAccessToken", "message": "expired", "request_id": "g-1"}
    answer = heard(envelope, status)
    assert (answer.answer_class, answer.code, answer.request_id) == (AnswerClass.ACCOUNT, "IllegalAccessToken", "g-1")


def test_an_envelope_of_the_gateway_merged_with_a_result() -> None:
    merged = {"code": "0", "request_id": "g-1", "_trace_id_": "t-1", "resCode": 200, "data": {"imageUrl": OUTPUT}}
    assert heard(merged).output_url == OUTPUT
    refused = {"code": "ApiCallLimit", "message": "this ban will last 3 seconds", "resCode": 200, "data": {}}
    assert (heard(refused).answer_class, heard(refused).ban_seconds) == (AnswerClass.THROTTLED, 3.0)


@pytest.mark.parametrize(
    ("message", "header", "seconds"),
    [
        ("Api access frequency exceeds the limit. this ban will last 1 seconds", "", 1.0),
        ("this ban will last 250 milliseconds", "", 0.25),
        ("slow down", "Retry-After: 7\r\n", 7.0),
        ("this ban will last 1 seconds", "Retry-After: 3\r\n", 3.0),
        ("slow down", "", None),
    ],
)
@pytest.mark.parametrize("status", [200, 429])
def test_how_long_to_stay_away(message: str, header: str, seconds: float | None, status: int) -> None:
    answer = heard({"code": "ApiCallLimit", "message": message}, status, header)
    assert (answer.answer_class, answer.ban_seconds) == (AnswerClass.THROTTLED, seconds)


def test_retry_after_as_a_date() -> None:
    until = int(time.time()) + 3000
    before = time.time()
    answer = heard({"code": "ApiCallLimit"}, 429, f"Retry-After: {formatdate(until, usegmt=True)}\r\n")
    assert answer.ban_seconds is not None
    assert until - time.time() <= answer.ban_seconds <= until - before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"resCode": 200, "success": True}, "no_output_url"),
        ({"resCode": 200, "data": {}}, "no_output_url"),
        ({"resCode": 200, "data": "{cut off"}, "no_output_url"),
        ({"resCode": 200, "data": {"imageUrl": "ftp://cdn.example/a.png"}}, "no_output_url"),
        ({"resCode": 200, "data": {"imageUrl": OUTPUT}, "success": False}, "success_false"),
        ({"resCode": [], "data": {"imageUrl": OUTPUT}}, "no_code"),
        ({"success": True, "data": {}}, "no_code"),
        ({"success": True, "code": "Strange", "data": {"imageUrl": OUTPUT}}, "Strange"),
        (["resCode", 200], "not_an_object"),
        (b'{"resCode": 200, "data": {"imageU', "truncated_json"),
        (b"<html>proxy</html>", "not_json"),
        (b"", "empty_body"),
    ],
)
def test_what_cannot_be_understood_is_unknown(body: object, code: str) -> None:
    answer = heard(body)
    assert (answer.answer_class, answer.code, answer.output_url) == (AnswerClass.UNKNOWN, code, None)


def test_what_was_sent_is_what_the_api_got(client: RemovalClient, sandbox: SandboxServer) -> None:
    answer = client.call(REQUEST)
    assert answer.bytes_sent > len(base64.b64encode(REQUEST.image_bytes or b""))
    assert sandbox.stats()["by_code"] == {"200": 1}
