"""Alibaba Cloud's `ImageRemove` (version 2026-04-28): an RPC with everything in the query, and photos by URL only."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import replace

from sandbox.acs_signing import Nonces, signature_error
from sandbox.answers import HttpAnswer, RefusalError, as_json
from sandbox.dialects import Received
from sandbox.masks import read_runs
from sandbox.photos import PhotoBounds
from sandbox.requests import ErasureRequest, elements_of, text_of
from sandbox.settings import SandboxSettings

ACTION = "ImageRemove"
VERSION = "2026-04-28"
SELECTORS = ("ObjectRemoveElements", "NonObjectRemoveElements", "Mask")
UNSPOKEN = ("Position", "UserText", "UserImage")

# What the API itself answers is HTTP 200 with Success false; what the cloud's front door answers has a status.
STATUSES: Mapping[str, int] = {
    "IncompleteSignature": 400,
    "InvalidAccessKeyId.NotFound": 404,
    "InvalidAction.NotFound": 404,
    "InvalidTimeStamp.Expired": 400,
    "InvalidTimeStamp.Format": 400,
    "InvalidVersion": 400,
    "SignatureDoesNotMatch": 400,
    "SignatureNonceUsed": 400,
    "Throttling": 400,
    "Throttling.Api": 400,
    "Throttling.User": 400,
}
MESSAGES: Mapping[str, str] = {
    "DownstreamUnavailable": "The downstream service is unavailable, please try again later.",
    "FreeQuotaExhausted": "The free quota is used up.",
    "InputContentBlocked": "The input was blocked by the content check.",
    "InvalidAccessKeyId.NotFound": "Specified access key is not found.",
    "InvalidParameter": "A parameter is not valid.",
    "InvalidTimeStamp.Expired": "Specified time stamp or date value is expired.",
    "OutputContentBlocked": "The output was blocked by the content check.",
    "ServiceNotOpened": "The service is not opened for this account.",
    "SignatureDoesNotMatch": "Specified signature is not matched with our calculation.",
    "SignatureNonceUsed": "Specified signature nonce was used already.",
    "Throttling.User": "Request was denied due to user flow control.",
}
# Faults are asked for by the other API's numbers, too, so that one script serves both.
NAMES_OF_NUMBERS: Mapping[int, str] = {
    501: "Throttling.User",
    700: "InvalidParameter",
    701: "InvalidParameter",
    702: "InvalidParameter",
    703: "InvalidParameter",
    704: "InvalidParameter",
    705: "InvalidParameter",
    1000: "InputContentBlocked",
    1001: "OutputContentBlocked",
}


class AlibabaCloudDialect:
    """The dialect with `Success` and named errors."""

    bounds = PhotoBounds(min_side=256, max_side=3000, formats=("JPEG", "PNG", "BMP", "WEBP"))

    def __init__(self) -> None:
        self._nonces = Nonces()

    def refuse(self, call: Received, settings: SandboxSettings, now: float) -> HttpAnswer | None:
        refused = signature_error(
            call,
            self._nonces,
            key=settings.key,
            secret=settings.secret,
            now=now,
            tolerance_seconds=settings.clock_tolerance_seconds,
        )
        if refused is None and _common(call, "Action") != ACTION:
            refused = "InvalidAction.NotFound"
        if refused is None and _common(call, "Version") != VERSION:
            refused = "InvalidVersion"
        return _failure(refused) if refused else None

    def read(self, call: Received, body: bytes) -> ErasureRequest:
        if hashlib.sha256(body).hexdigest() != call.headers.get("x-acs-content-sha256"):
            raise RefusalError(700, "x-acs-content-sha256 is not the digest of the body")
        unspoken = [name for name in UNSPOKEN if call.query.get(name)]
        if unspoken:
            raise RefusalError(700, f"the sandbox does not know {unspoken[0]}")
        url, mask = text_of(call.query, "ImageUrl"), text_of(call.query, "Mask")
        subject = elements_of(call.query, "ObjectRemoveElements")
        others = elements_of(call.query, "NonObjectRemoveElements")
        if not url:
            raise RefusalError(700, "ImageUrl is required")
        if not (mask or subject or others):
            raise RefusalError(700, f"one of {', '.join((*SELECTORS, *UNSPOKEN))} is required")
        return ErasureRequest(
            image_url=url,
            image_base64=None,
            subject_elements=subject or frozenset(),
            other_elements=others or frozenset(),
            mask_runs=read_runs(mask) if mask else None,
        )

    def success(self, output_url: str | None, size: tuple[int, int]) -> HttpAnswer:
        data: dict[str, object] = {"Width": size[0], "Height": size[1], "UsageMap": {"ProcessedImageCount": 1}}
        if output_url is not None:
            data["ImageUrl"] = output_url
        answer = {"Code": "200", "Message": "success", "RequestId": _request_id(), "Success": True, "Data": data}
        return as_json(answer, code="200")

    def refusal(self, error: RefusalError) -> HttpAnswer:
        return _failure(NAMES_OF_NUMBERS.get(error.code, "DownstreamUnavailable"), error.detail)

    def throttled(self, settings: SandboxSettings) -> HttpAnswer:
        if settings.throttle_style == "http429":
            answer = replace(_failure("Throttling.User"), status=429, code="http429")
            return replace(answer, headers={"Retry-After": str(settings.ban_seconds)})
        answer = _failure("Throttling.Api" if settings.throttle_style == "gateway" else "Throttling.User")
        return replace(answer, headers={"x-acs-retry-after": str(settings.ban_seconds * 1000)})

    def fault(self, name: str, settings: SandboxSettings) -> HttpAnswer:  # noqa: ARG002 - every dialect's signature
        return self.refusal(RefusalError(int(name))) if name.isdigit() else _failure(name)


def _failure(code: str, detail: str = "") -> HttpAnswer:
    message = MESSAGES.get(code, code)
    fields: dict[str, object] = {
        "Code": code,
        "Message": f"{message} {detail}" if detail else message,
        "RequestId": _request_id(),
    }
    status = STATUSES.get(code)
    if status is None:
        return as_json({**fields, "Success": False}, code=code)
    return as_json({**fields, "HostId": "sandbox"}, status, code=code)


def _common(call: Received, name: str) -> str | None:
    return call.headers.get(f"x-acs-{name.lower()}", call.query.get(name))


def _request_id() -> str:
    return str(uuid.uuid4()).upper()
