"""The sandbox as Alibaba Cloud's ImageRemove, over HTTP; calls are signed here as the vendor's description says."""

import hashlib
import hmac
import secrets
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from sandbox.acs_signing import signature_of
from sandbox.dialects import Received
from sandbox.server import SandboxServer
from tests.sandbox.calls import body, photo, query
from tests.sandbox.conftest import Start

EMPTY = hashlib.sha256(b"").hexdigest()


def signed(server: SandboxServer, parameters: dict[str, str], secret: str = "sandbox", **changes: str) -> httpx.Request:
    """A signed call; a change to a header is made before signing, one to `Authorization` after it."""
    authorization = changes.pop("Authorization", None)
    headers = {
        "host": f"127.0.0.1:{server.port}",
        "x-acs-action": "ImageRemove",
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "x-acs-signature-nonce": secrets.token_hex(8),
        "x-acs-version": "2026-04-28",
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    canonical = "&".join(f"{name}={quote(parameters[name], safe='~')}" for name in sorted(parameters))
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    digest = hashlib.sha256(f"POST\n/\n{canonical}\n{lines}\n{names}\n{EMPTY}".encode()).hexdigest()
    seal = hmac.new(secret.encode(), f"ACS3-HMAC-SHA256\n{digest}".encode(), hashlib.sha256).hexdigest()
    headers["Authorization"] = (
        f"ACS3-HMAC-SHA256 Credential=sandbox,SignedHeaders={names},Signature={seal}"
        if authorization is None
        else authorization
    )
    return httpx.Request("POST", f"{server.url}/?{canonical}", headers=headers)


def shown(server: SandboxServer, data: bytes, extension: str = "webp") -> str:
    """The URL of a published photo."""
    return f"{server.url}/output/{server.service.outputs.add(data, extension, seconds=60)}"


def parameters(server: SandboxServer, **changes: Any) -> dict[str, str]:
    """A call for everything; a change to None leaves a parameter out."""
    fields = {
        "ImageUrl": shown(server, photo((300, 256), "WEBP")),
        "ObjectRemoveElements": "[1,2,3,4]",
        "NonObjectRemoveElements": "[1,2,3,4]",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def test_the_check_agrees_with_the_vendors_published_example() -> None:
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    asked = {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"}
    call = Received(0.0, "POST", "/", asked, headers, "")
    assert signature_of(call, sorted(headers), "YourAccessKeySecret") == (
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_an_answer_has_the_vendors_names(start: Start) -> None:
    server, client = start()
    answer = client.send(signed(server, parameters(server)))
    fields = answer.json()
    assert (answer.status_code, fields["Success"], set(fields)) == (
        200,
        True,
        {"Code", "Message", "RequestId", "Success", "Data"},
    )
    data = fields["Data"]
    assert (data["Width"], data["Height"], data["UsageMap"]) == (300, 256, {"ProcessedImageCount": 1})
    output = client.get(data["ImageUrl"])
    assert (output.headers["content-type"], output.content) == ("image/webp", photo((300, 256), "WEBP"))
    assert server.stats()["by_code"] == {"200": 1}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"ImageUrl": None}, id="no-photo"),
        pytest.param({"ImageUrl": "http://127.0.0.1:1/a.webp"}, id="photo-not-there"),
        pytest.param({"ObjectRemoveElements": None, "NonObjectRemoveElements": None}, id="no-selector"),
        pytest.param({"ObjectRemoveElements": "[]", "NonObjectRemoveElements": "[]"}, id="empty-selectors"),
        pytest.param({"ObjectRemoveElements": "[5]"}, id="element-5"),
        pytest.param({"ObjectRemoveElements": "1,2"}, id="not-json"),
        pytest.param({"Mask": "1 2 3"}, id="mask-odd"),
        pytest.param({"Position": "[1,2,3,4]"}, id="position-is-not-spoken"),
    ],
)
def test_refusals(start: Start, changes: dict[str, Any]) -> None:
    server, client = start()
    answer = client.send(signed(server, parameters(server, **changes)))
    assert (answer.status_code, answer.json()["Code"], answer.json()["Success"]) == (200, "InvalidParameter", False)


@pytest.mark.parametrize(
    "changes",
    [
        {"ObjectRemoveElements": None},
        {"NonObjectRemoveElements": None},
        {"ObjectRemoveElements": None, "NonObjectRemoveElements": None, "Mask": "0 300  600 300"},
    ],
)
def test_one_selector_is_enough(start: Start, changes: dict[str, Any]) -> None:
    server, client = start()
    assert client.send(signed(server, parameters(server, **changes))).json()["Success"] is True


@pytest.mark.parametrize(
    ("status", "code", "changes"),
    [
        (400, "IncompleteSignature", {"Authorization": ""}),
        (400, "IncompleteSignature", {"Authorization": "Bearer x"}),
        (400, "IncompleteSignature", {"x_acs_signature_nonce": ""}),
        (400, "SignatureDoesNotMatch", {"secret": "another"}),
        (400, "InvalidTimeStamp.Expired", {"x_acs_date": "2026-01-01T00:00:00Z"}),
        (400, "InvalidTimeStamp.Format", {"x_acs_date": "yesterday"}),
        (404, "InvalidAction.NotFound", {"x_acs_action": "ImageRemoveAsync"}),
        (400, "InvalidVersion", {"x_acs_version": "2014-05-26"}),
    ],
)
def test_the_front_door(start: Start, status: int, code: str, changes: dict[str, str]) -> None:
    server, client = start()
    answer = client.send(signed(server, parameters(server), **changes))
    assert (answer.status_code, answer.json()["Code"]) == (status, code)
    assert server.stats()["accepted"] == 0


def test_parameters_and_headers_are_signed(start: Start) -> None:
    server, client = start()
    request = signed(server, parameters(server))
    request.url = request.url.copy_add_param("Mask", "1 2")
    assert client.send(request).json()["Code"] == "SignatureDoesNotMatch"
    request = signed(server, parameters(server))
    request.headers["x-acs-credentials-provider"] = "unsigned"
    assert client.send(request).json()["Code"] == "IncompleteSignature"


def test_a_nonce_is_good_for_one_call(start: Start) -> None:
    server, client = start()
    request = signed(server, parameters(server))
    answers = [client.send(request).json() for _ in range(2)]
    assert [answer["Code"] for answer in answers] == ["200", "SignatureNonceUsed"]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("InputContentBlocked", 200, "InputContentBlocked"),
        ("FreeQuotaExhausted", 200, "FreeQuotaExhausted"),
        ("Throttling.User", 400, "Throttling.User"),
        ("501", 400, "Throttling.User"),
        ("703", 200, "InvalidParameter"),
        ("801", 200, "DownstreamUnavailable"),
        ("1000", 200, "InputContentBlocked"),
    ],
)
def test_faults_by_name_and_by_number(start: Start, fault: str, status: int, code: str) -> None:
    server, client = start(faults={fault: 1.0})
    answer = client.send(signed(server, parameters(server)))
    assert (answer.status_code, answer.json()["Code"]) == (status, code)


def test_both_apis_share_one_quota(start: Start) -> None:
    server, client = start(rate=1)
    assert client.send(signed(server, parameters(server))).json()["Success"] is True
    refused = client.post("/rest/ai/image/removal", params=query(), json=body())
    assert refused.json()["resCode"] == 501
    assert client.send(signed(server, parameters(server))).json()["Code"] == "Throttling.User"
    assert server.stats()["throttled"] == 2
