"""Alibaba Cloud's ImageRemove over HTTP, against the sandbox, whose signature check is its own."""

import io
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import UsageError
from core.states import AnswerClass
from removal.answers import Answer, HttpReply
from removal.bounds import Bounds
from removal.client import RemovalClient
from removal.contract import RemovalRequest
from removal.provider import Account, find_provider
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from tests.removal.loopback import Talk, serving

SECRET = "s3cret-of-the-account"
OUTPUT = "https://cdn.example/out.png"

signs = pytest.mark.skipif(
    find_spec("alibabacloud_tea_openapi") is None, reason="signing needs the extra `alibabacloud`, not installed here"
)


def picture(size: tuple[int, int] = (300, 260), form: str = "WEBP") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "#c8d4e0").save(buffer, form)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(SandboxSettings(rate=0, echo=True, secret=SECRET, timeout_seconds=5, slow_seconds=0)) as server:
        yield server


class Shop:
    """A place on the web that photos can be fetched from."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self._sandbox = sandbox

    def show(self, data: bytes, extension: str = "webp") -> RemovalRequest:
        """Publish a photo and return a request for it."""
        name = self._sandbox.service.outputs.add(data, extension, seconds=60)
        return RemovalRequest(f"{self._sandbox.url}/output/{name}", None, (), (1, 2, 3, 4))


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    sandbox.reset()
    sandbox.configure(faults={}, next="", rate=0, throttle_style="rescode", clock_tolerance_seconds=900.0)
    return Shop(sandbox)


def client_of(url: str, **changes: Any) -> RemovalClient:
    account = {"key": "sandbox", "secret": SECRET, "provider": "alibabacloud"} | changes
    return RemovalClient(url, **account)


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[RemovalClient]:
    made = client_of(f"{sandbox.url}/")
    yield made
    made.close()


def test_the_bounds_are_those_of_the_vendors_package() -> None:
    provider = find_provider("alibabacloud")
    assert provider.bounds == Bounds(256, 3000, 10_000_000, ("JPEG", "PNG", "BMP", "WEBP"))
    assert not provider.takes_bytes


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alibabacloud_tea_openapi", None)
    monkeypatch.delitem(sys.modules, "alibabacloud_tea_openapi.utils", raising=False)
    with pytest.raises(UsageError, match=r"pip install 'cleanplate\[alibabacloud\]'") as caught:
        client_of("http://127.0.0.1:9/")
    assert SECRET not in str(caught.value)


ROWS = [
    ("ok", AnswerClass.SUCCESS, "200", ""),
    ("InvalidParameter", AnswerClass.PERMANENT, "InvalidParameter", "not valid"),
    ("InputContentBlocked", AnswerClass.PERMANENT, "InputContentBlocked", "blocked"),
    ("OutputContentBlocked", AnswerClass.PERMANENT, "OutputContentBlocked", "blocked"),
    ("FreeQuotaExhausted", AnswerClass.ACCOUNT, "FreeQuotaExhausted", "free quota"),
    ("ServiceNotOpened", AnswerClass.ACCOUNT, "ServiceNotOpened", "not opened"),
    ("DownstreamUnavailable", AnswerClass.PROVIDER_FAULT, "DownstreamUnavailable", "unavailable"),
    ("Throttling", AnswerClass.THROTTLED, "Throttling", ""),
    ("Throttling.User", AnswerClass.THROTTLED, "Throttling.User", "flow control"),
    ("Throttling.Api", AnswerClass.THROTTLED, "Throttling.Api", ""),
    ("SignatureDoesNotMatch", AnswerClass.ACCOUNT, "SignatureDoesNotMatch", "not matched"),
    ("IncompleteSignature", AnswerClass.ACCOUNT, "IncompleteSignature", ""),
    ("InvalidAccessKeyId.NotFound", AnswerClass.ACCOUNT, "InvalidAccessKeyId.NotFound", "not found"),
    ("InvalidAccessKeyId.Inactive", AnswerClass.ACCOUNT, "InvalidAccessKeyId.Inactive", ""),
    ("MissingAccessKeyId", AnswerClass.ACCOUNT, "MissingAccessKeyId", ""),
    ("InvalidTimeStamp.Expired", AnswerClass.ACCOUNT, "InvalidTimeStamp.Expired", "expired"),
    ("Forbidden.RAM", AnswerClass.ACCOUNT, "Forbidden.RAM", ""),
    ("NoPermission", AnswerClass.ACCOUNT, "NoPermission", ""),
    ("InsufficientBalance", AnswerClass.ACCOUNT, "InsufficientBalance", ""),
    ("SignatureNonceUsed", AnswerClass.PROVIDER_FAULT, "SignatureNonceUsed", "nonce"),
    ("InternalError", AnswerClass.PROVIDER_FAULT, "InternalError", ""),
    ("ServiceUnavailable", AnswerClass.PROVIDER_FAULT, "ServiceUnavailable", ""),
    ("SomethingNew", AnswerClass.UNKNOWN, "SomethingNew", ""),
    ("http500", AnswerClass.PROVIDER_FAULT, "http_500", "HTTP 500"),
    ("http503", AnswerClass.PROVIDER_FAULT, "http_503", "HTTP 503"),
    ("http429", AnswerClass.THROTTLED, "http_429", "HTTP 429"),
    ("http403", AnswerClass.ACCOUNT, "http_403", "HTTP 403"),
    ("http404", AnswerClass.UNKNOWN, "http_404", "HTTP 404"),
    ("html", AnswerClass.UNKNOWN, "not_json", "not json"),
    ("truncated", AnswerClass.UNKNOWN, "truncated_json", "truncated json"),
    ("missing_output", AnswerClass.UNKNOWN, "no_output_url", ""),
    ("drop", AnswerClass.MAYBE_BILLED, "connection_lost", ""),
]


@signs
@pytest.mark.parametrize(("fault", "expected", "code", "words"), ROWS, ids=[row[0] for row in ROWS])
def test_row(
    sandbox: SandboxServer,
    shop: Shop,
    client: RemovalClient,
    fault: str,
    expected: AnswerClass,
    code: str,
    words: str,
) -> None:
    request = shop.show(picture())
    sandbox.configure(next=fault)
    answer = client.call(request)
    assert (answer.answer_class, answer.code) == (expected, code)
    assert words in answer.message
    assert (answer.output_url is not None) == (expected is AnswerClass.SUCCESS)
    assert answer.raw or expected is AnswerClass.MAYBE_BILLED


@signs
@pytest.mark.parametrize("path", ["/", "", "/rest/ai/image/removal"])
def test_a_call_is_signed_so_that_it_is_taken(sandbox: SandboxServer, shop: Shop, path: str) -> None:
    client = client_of(f"{sandbox.url}{path}")
    answer = client.call(shop.show(picture()))
    client.close()
    assert (answer.answer_class, answer.http_status) == (AnswerClass.SUCCESS, 200)
    assert answer.request_id
    assert answer.output_url is not None
    assert answer.output_url.endswith(".webp")


@signs
@pytest.mark.parametrize(
    "name", ["ä ö.webp", "a+b&c=d.webp", "~tilde*'()!.webp", "100%.webp", "a%20b.webp?x=1#y", "照片.webp"]
)
@pytest.mark.usefixtures("shop")
def test_any_url_survives_quoting_and_signing(sandbox: SandboxServer, client: RemovalClient, name: str) -> None:
    answer = client.call(RemovalRequest(f"{sandbox.url}/output/{name}", None, (1,), (2,), mask="0 5  900 5"))
    # The signature is right when the sandbox goes as far as asking for the photo.
    assert (answer.code, "failed to download" in answer.message) == ("InvalidParameter", True)


@signs
def test_what_is_sent() -> None:
    seen: list[bytes] = []

    def behave(talk: Talk) -> None:
        while request := talk.read_request():
            seen.append(request)
            talk.answer(json.dumps({"Success": True, "Data": {"ImageUrl": OUTPUT}}).encode())

    with serving(behave) as server:
        client = client_of(f"{server.url}/?RegionId=cn-beijing")
        prepared = client.prepare(RemovalRequest("https://shop.example/a b.webp", None, (), (1, 2), mask="10 5 900 5"))
        answers = [client.send(prepared) for _ in range(2)]
        client.close()
    assert [answer.code for answer in answers] == ["200", "200"]
    assert [answer.bytes_sent for answer in answers] == [len(request) for request in seen]
    heads = [request.partition(b"\r\n\r\n")[0].decode().split("\r\n") for request in seen]
    method, target, _ = heads[0][0].split(" ")
    assert method == "POST"
    assert {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()} == {
        "RegionId": "cn-beijing",
        "ImageUrl": "https://shop.example/a b.webp",
        "NonObjectRemoveElements": "[1,2]",
        "Mask": "10 5 900 5",
    }
    fields = [dict(line.lower().split(": ", 1) for line in head[1:]) for head in heads]
    assert (fields[0]["x-acs-action"], fields[0]["x-acs-version"]) == ("imageremove", "2026-04-28")
    assert fields[0]["content-length"] == "0"
    assert seen[0].endswith(b"\r\n\r\n")
    # Every attempt has a nonce and a signature of its own.
    for name in ("x-acs-signature-nonce", "authorization"):
        assert fields[0][name] != fields[1][name]


@signs
def test_the_whole_request_leaves_once_the_gate_opens(
    sandbox: SandboxServer, shop: Shop, client: RemovalClient
) -> None:
    prepared = client.prepare(shop.show(picture()))
    before: list[int] = []
    answer = client.send(prepared, lambda: before.append(sandbox.stats()["received"]))
    assert (before, answer.code, sandbox.stats()["received"]) == ([0], "200", 1)


@signs
@pytest.mark.parametrize(
    ("size", "form", "code"),
    [
        ((256, 3000), "WEBP", "200"),
        ((256, 256), "JPEG", "200"),
        ((256, 256), "PNG", "200"),
        ((256, 256), "BMP", "200"),
        ((255, 300), "WEBP", "InvalidParameter"),
        ((300, 3001), "PNG", "InvalidParameter"),
        ((300, 300), "GIF", "InvalidParameter"),
    ],
)
def test_bounds(shop: Shop, client: RemovalClient, size: tuple[int, int], form: str, code: str) -> None:
    assert client.call(shop.show(picture(size, form))).code == code


@signs
def test_bytes_are_not_taken(client: RemovalClient) -> None:
    with pytest.raises(UsageError, match="URL"):
        client.prepare(RemovalRequest(None, picture(), (), (1,)))


@signs
def test_a_trial_that_would_be_paid_is_refused() -> None:
    with pytest.raises(UsageError, match="REMOVAL_TRIAL"):
        client_of("http://127.0.0.1:9/", trial=True)


@signs
def test_a_mask_too_long_for_a_request_line_is_not_tried_again(shop: Shop, client: RemovalClient) -> None:
    photo = shop.show(picture())
    answer = client.call(RemovalRequest(photo.image_url, None, (), (), mask="10 5 " * 20_000))
    assert (answer.answer_class, answer.code) == (AnswerClass.PERMANENT, "http_414")


@signs
@pytest.mark.parametrize(
    ("changes", "code"),
    [({"secret": "another"}, "SignatureDoesNotMatch"), ({"key": "another"}, "InvalidAccessKeyId.NotFound")],
)
def test_a_wrong_account(sandbox: SandboxServer, shop: Shop, changes: dict[str, str], code: str) -> None:
    client = client_of(f"{sandbox.url}/", **changes)
    answer = client.call(shop.show(picture()))
    client.close()
    assert (answer.answer_class, answer.code) == (AnswerClass.ACCOUNT, code)


@signs
def test_a_clock_that_is_off(sandbox: SandboxServer, shop: Shop, client: RemovalClient) -> None:
    sandbox.configure(clock_tolerance_seconds=-1.0)
    answer = client.call(shop.show(picture()))
    assert (answer.answer_class, answer.code) == (AnswerClass.ACCOUNT, "InvalidTimeStamp.Expired")


@signs
@pytest.mark.parametrize(
    ("style", "code"), [("rescode", "Throttling.User"), ("http429", "http_429"), ("gateway", "Throttling.Api")]
)
def test_over_the_quota(sandbox: SandboxServer, shop: Shop, client: RemovalClient, style: str, code: str) -> None:
    request = shop.show(picture())
    sandbox.configure(rate=1, throttle_style=style)
    first, second = client.call(request), client.call(request)
    assert first.code == "200"
    assert (second.answer_class, second.code, second.ban_seconds) == (AnswerClass.THROTTLED, code, 1.0)


def heard(body: object, status: int = 200, headers: str = "") -> Answer:
    """What a scripted server's answer is taken for."""

    def behave(talk: Talk) -> None:
        talk.read_request()
        talk.answer(body if isinstance(body, bytes) else json.dumps(body).encode(), status, headers)

    with serving(behave) as server:
        client = client_of(f"{server.url}/")
        answer = client.call(RemovalRequest("https://shop.example/a.webp", None, (), (1,)))
        client.close()
    return answer


@signs
@pytest.mark.parametrize("code", ["200", 200, "Success", "OK", "0", "", None, "Whatever"])
@pytest.mark.parametrize("wrap", [lambda data: data, json.dumps], ids=["object", "json-text"])
def test_success_is_told_by_success_and_not_by_code(code: object, wrap: Any) -> None:
    data = {"ImageUrl": OUTPUT, "Width": 300, "Height": 260, "UsageMap": {"ProcessedImageCount": 1}}
    answer = heard({"Code": code, "Message": "m", "RequestId": "r-1", "Success": True, "Data": wrap(data)})
    assert (answer.answer_class, answer.code, answer.output_url) == (AnswerClass.SUCCESS, "200", OUTPUT)
    assert answer.request_id == "r-1"


@signs
@pytest.mark.parametrize("name", ["ImageUrl", "imageUrl", "image_url"])
@pytest.mark.parametrize("says", [True, "true", "True"])
def test_a_success_in_every_spelling(name: str, says: object) -> None:
    assert heard({"Success": says, "Data": {name: OUTPUT}}).output_url == OUTPUT
    assert heard({"success": says, "data": {name: OUTPUT}, "requestId": "r"}).request_id == "r"


@signs
@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("names", [("Code", "Message", "RequestId"), ("code", "message", "requestId")])
def test_a_named_error_inside_any_status(status: int, names: tuple[str, str, str]) -> None:
    answer = heard(dict(zip(names, ("InputContentBlocked", "said so", "r-1"), strict=True)), status)
    assert (answer.answer_class, answer.message, answer.request_id) == (AnswerClass.PERMANENT, "said so", "r-1")


@signs
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"Code": "200", "Success": False, "Data": {"ImageUrl": OUTPUT}}, "success_false"),
        ({"Code": "200", "Data": {"ImageUrl": OUTPUT}}, "no_success"),
        ({"Success": True}, "no_output_url"),
        ({"Success": True, "Data": {"ImageUrl": "oss://bucket/a"}}, "no_output_url"),
        ({"Success": 1, "Data": {"ImageUrl": OUTPUT}}, "no_success"),
        ({}, "no_success"),
        ([], "not_an_object"),
        (b'{"Success": true, "Data": {"Ima', "truncated_json"),
        (b"<html>proxy</html>", "not_json"),
        (b"", "empty_body"),
    ],
)
def test_what_cannot_be_understood_is_unknown(body: object, code: str) -> None:
    answer = heard(body)
    assert (answer.answer_class, answer.code, answer.output_url) == (AnswerClass.UNKNOWN, code, None)


@signs
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("x-acs-retry-after: 1500", 1.5),
        ("Retry-After: 4", 4.0),
        ("x-acs-retry-after: soon", None),
        ("x-acs-retry-after: 500\r\nRetry-After: 2", 2.0),
    ],
)
def test_how_long_to_stay_away(header: str, seconds: float | None) -> None:
    answer = heard({"Code": "Throttling.User"}, 400, f"{header}\r\n")
    assert (answer.answer_class, answer.ban_seconds) == (AnswerClass.THROTTLED, seconds)


@signs
def test_retry_after_as_a_date() -> None:
    ban = heard(
        {"Code": "Throttling"}, 503, f"Retry-After: {formatdate(time.time() + 30, usegmt=True)}\r\n"
    ).ban_seconds
    assert ban is not None
    assert 25 < ban <= 30


TEXT = st.text("aZ0 :/.\x00\ud800{", max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | TEXT | st.sampled_from([200, "200", "true", OUTPUT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.just("ImageUrl"), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["Code", "Message", "RequestId", "Success", "Data", "success", "data", "code"])


@signs
@given(st.dictionaries(NAMES, JSON), st.sampled_from([200, 400, 429, 500]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_gives_an_answer_without_inventing_an_output(payload: dict[str, Any], status: int) -> None:
    provider = find_provider("alibabacloud")(httpx.URL("http://localhost/"), Account("k", "s"))
    answer = provider.read(HttpReply(status, {}, json.dumps(payload).encode(), 0.0))
    assert (answer.output_url is not None) == (answer.answer_class is AnswerClass.SUCCESS)
    assert answer.code


@signs
def test_threads_may_share_a_client(shop: Shop, client: RemovalClient) -> None:
    request = shop.show(picture())
    codes: list[str] = []
    threads = [
        threading.Thread(target=lambda: codes.extend(client.call(request).code for _ in range(5))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["200"] * 20


@signs
def test_the_secret_is_nowhere(shop: Shop, client: RemovalClient, caplog: pytest.LogCaptureFixture) -> None:
    for name in (None, "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    prepared = client.prepare(shop.show(picture()))
    shown = [repr(client), repr(client.provider.account), repr(prepared), repr(client.send(prepared)), caplog.text]
    shown.append(repr(client.provider.sign(prepared, time.time())))
    assert not any(SECRET in text for text in shown)
    assert "POST" in caplog.text
