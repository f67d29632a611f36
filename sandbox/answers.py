"""The answers of the removal API, in its own words."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

MESSAGES: Mapping[int, str] = {
    200: "success",
    501: "rate limit exceed",
    700: "invalid input",
    701: "image url error",
    702: "image base64 error",
    703: "image size exceeds the limit",
    704: "invalid image form",
    705: "image file size exceeds the limit",
    801: "model failed",
    900: "tpp url error",
    1000: "content has sensitive data, please try other input",
    1001: "content control failed, please retry",
    1002: "content risk filter failed, please contact us",
}

GATEWAY_MESSAGES: Mapping[str, str] = {
    "ApiCallLimit": "Api access frequency exceeds the limit. this ban will last {ban} seconds",
    "AppCallLimit": "App access frequency exceeds the limit. this ban will last {ban} seconds",
    "IllegalAccessToken": "The specified access token is invalid or expired",
    "IllegalTimestamp": "The timestamp is invalid or malformed",
    "IncompleteSignature": "The request signature does not conform to platform standards",
    "InvalidAppKey": "The specified App Key is invalid",
    "NoResource": "Sorry, your calling resources have been exhausted, please buy more and try again",
}


class RefusalError(Exception):
    """The call cannot be served; `code` is a resCode of the reference and `detail` says what is wrong."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(detail or MESSAGES.get(code, ""))
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class HttpAnswer:
    """One HTTP answer: `code` is what the statistics count it under."""

    code: str
    body: bytes
    status: int = 200
    content_type: str = "application/json;charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(value: object, status: int = 200, code: str = "") -> HttpAnswer:
    """Any JSON value as an answer."""
    return HttpAnswer(code or str(status), json.dumps(value, ensure_ascii=False).encode(), status)


def success(output_url: str | None) -> HttpAnswer:
    """The 200 answer; `None` leaves the output's URL out."""
    data = {} if output_url is None else {"imageUrl": output_url}
    return as_json({**_envelope(200), "data": data}, code="200")


def refusal(code: int, detail: str = "") -> HttpAnswer:
    """An answer with a resCode other than 200 (HTTP 200, as the API does)."""
    return as_json(_envelope(code, detail), code=str(code))


def gateway(code: str, *, ban_seconds: int = 1) -> HttpAnswer:
    """An error of the gateway before the API (HTTP 200 as well)."""
    message = GATEWAY_MESSAGES.get(code, code).format(ban=ban_seconds)
    return as_json({"type": "ISV", "code": code, "message": message, "request_id": uuid.uuid4().hex}, code=code)


def html(status: int) -> HttpAnswer:
    """What a proxy in between would answer."""
    body = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>proxy</body></html>"
    code = f"http{status}" if status >= 400 else "html"
    return HttpAnswer(code, body.encode(), status, "text/html; charset=utf-8")


def throttled(style: str, ban_seconds: int) -> HttpAnswer:
    """A call over the quota: by resCode, by HTTP status, or by the gateway."""
    if style == "http429":
        body = json.dumps(_envelope(501)).encode()
        return HttpAnswer("http429", body, 429, headers={"Retry-After": str(ban_seconds)})
    if style == "gateway":
        return gateway("ApiCallLimit", ban_seconds=ban_seconds)
    return refusal(501)


def _envelope(code: int, detail: str = "") -> dict[str, object]:
    message = MESSAGES.get(code, "unknown error")
    return {
        "resCode": code,
        "resMessage": f"{message}: {detail}" if detail else message,
        "success": code == 200,
        "requestId": uuid.uuid4().hex,
    }
