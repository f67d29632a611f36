"""Alibaba Cloud's `ImageRemove`, version 2026-04-28, as the vendor's package `alibabacloud-aidge20260428` calls it.

An RPC: POST, everything in the query, an empty body, and a signature in the headers (ACS3-HMAC-SHA256, which that
package's client uses unless told otherwise). The vendor's own function signs; sending is ours, because it has to happen
at one exact moment.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx

from core.errors import UsageError
from core.states import AnswerClass
from removal.answers import (
    NO_OUTPUT,
    SUCCESS_CODE,
    Answer,
    HttpReply,
    Kind,
    code_text,
    failure,
    first_text,
    output_url,
    read_object,
    success,
)
from removal.bounds import Bounds
from removal.contract import RemovalRequest
from removal.provider import Account, PreparedCall, Provider, Signed

ACTION = "ImageRemove"
VERSION = "2026-04-28"
ALGORITHM = "ACS3-HMAC-SHA256"

_URL_NAMES = ("ImageUrl", "imageUrl", "image_url")
_ID_NAMES = ("RequestId", "requestId", "request_id")
_MESSAGE_NAMES = ("Message", "message")
_FINE = {"", "0", SUCCESS_CODE, "ok", "success"}
_EMPTY_BODY = sha256(b"").hexdigest()

_CODES = {
    "invalidparameter": Kind(AnswerClass.PERMANENT),
    "inputcontentblocked": Kind(AnswerClass.PERMANENT),
    "outputcontentblocked": Kind(AnswerClass.PERMANENT),
    "freequotaexhausted": Kind(AnswerClass.ACCOUNT),
    "servicenotopened": Kind(AnswerClass.ACCOUNT),
    "downstreamunavailable": Kind(AnswerClass.PROVIDER_FAULT),
    "internalerror": Kind(AnswerClass.PROVIDER_FAULT),
    "serviceunavailable": Kind(AnswerClass.PROVIDER_FAULT),
    # The next attempt has another nonce.
    "signaturenonceused": Kind(AnswerClass.PROVIDER_FAULT),
    "throttling": Kind(AnswerClass.THROTTLED),
    "forbidden": Kind(AnswerClass.ACCOUNT),
    "nopermission": Kind(AnswerClass.ACCOUNT),
    "insufficientbalance": Kind(AnswerClass.ACCOUNT),
    "signaturedoesnotmatch": Kind(AnswerClass.ACCOUNT),
}
_ACCOUNT_NAMES = re.compile(
    r"(illegal|invalid|incomplete|missing|expired)"
    r"(accesskey\w*|signature\w*|securitytoken|timestamp|credentials?|authorization)"
)

Sign = Callable[[Any, str, str, str, str], str]
"""The vendor's signing function: request, algorithm, the body's digest, key, secret."""


class AlibabaCloud(Provider):
    """Alibaba Cloud's operation; photos go to it as URLs only."""

    bounds = Bounds(min_side=256, max_side=3000, formats=("JPEG", "PNG", "BMP", "WEBP"))
    takes_bytes = False

    def __init__(self, url: httpx.URL, account: Account) -> None:
        super().__init__(url, account)
        if account.trial:
            raise UsageError("REMOVAL_TRIAL is for REMOVAL_PROVIDER=aidge; Alibaba Cloud has no such switch: unset it.")
        self._authorize = _vendors_signing()

    def encode(self, request: RemovalRequest) -> PreparedCall:
        """Return the parameters; element lists are JSON, and those that are empty are left out."""
        if request.image_url is None:
            raise UsageError("Alibaba Cloud takes photos by their URLs only, and this one has none.")
        parameters = dict(parse_qsl(self.url.query.decode())) | {"ImageUrl": request.image_url}
        if request.subject_elements:
            parameters["ObjectRemoveElements"] = _json_array(request.subject_elements)
        if request.elements:
            parameters["NonObjectRemoveElements"] = _json_array(request.elements)
        if request.mask:
            parameters["Mask"] = request.mask
        return PreparedCall(b"", parameters)

    def sign(self, prepared: PreparedCall, now: float) -> Signed:
        """Return the target, and headers with a fresh time, nonce and signature over path, query and headers."""
        headers = {
            "host": self.url.netloc.decode(),
            "x-acs-action": ACTION,
            "x-acs-version": VERSION,
            "x-acs-date": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": _EMPTY_BODY,
        }
        path = self.url.raw_path.partition(b"?")[0]
        signed = SimpleNamespace(method="POST", pathname=path.decode(), query=prepared.parameters, headers=headers)
        seal = self._authorize(signed, ALGORITHM, _EMPTY_BODY, self.account.key, self.account.secret)
        del headers["host"]
        headers["Authorization"] = seal
        # The quoting that is signed: spaces as %20, and ~ as it is.
        query = urlencode(prepared.parameters, quote_via=quote, safe="~")
        return Signed(
            path + b"?" + query.encode(), [(name.encode(), value.encode()) for name, value in headers.items()]
        )

    @classmethod
    def kind_of(cls, code: str, message: str) -> Kind | None:  # noqa: ARG003 - every provider's signature
        """Return what a named error means; None for one that is not known.

        Names may have details after a dot (`Throttling.User`, `InvalidAccessKeyId.NotFound`) that change nothing here.
        """
        name = code.partition(".")[0].lower()
        if known := _CODES.get(name):
            return known
        return Kind(AnswerClass.ACCOUNT) if _ACCOUNT_NAMES.fullmatch(name) else None

    def read(self, reply: HttpReply) -> Answer:
        """Return what a reply means: `Success` tells, whatever `Code` a success comes with."""
        envelope, flaw = read_object(reply.body)
        message = first_text(envelope, _MESSAGE_NAMES)
        request_id = first_text(envelope, _ID_NAMES) or reply.headers.get("x-acs-request-id", "")
        says = str(envelope.get("Success", envelope.get("success"))).lower()
        url = output_url(envelope.get("Data", envelope.get("data")), _URL_NAMES)
        if says == "true" and url and reply.status == 200:
            return success(reply, message=message, request_id=request_id, output_url=url)
        code = code_text(envelope.get("Code", envelope.get("code")))
        flaws = {"true": NO_OUTPUT, "false": "success_false"}
        return failure(
            reply,
            [] if code.lower() in _FINE else [code],
            self.kind_of,
            flaw=flaw or flaws.get(says, "no_success"),
            message=message,
            request_id=request_id,
            ban_seconds=_told_to_wait(reply.headers),
            names_output=bool(url),
        )


PROVIDER = AlibabaCloud


def _vendors_signing() -> Sign:
    try:
        sign: Sign = import_module("alibabacloud_tea_openapi.utils").Utils.get_authorization
    except (ImportError, AttributeError) as error:
        raise UsageError(
            "REMOVAL_PROVIDER=alibabacloud needs the vendor's package for signing, which is not installed "
            f"({error}): pip install 'cleanplate[alibabacloud]'."
        ) from error
    return sign


def _told_to_wait(headers: Mapping[str, str]) -> float | None:
    # Milliseconds: the vendor's client sleeps that many.
    told = headers.get("x-acs-retry-after", "")
    return int(told) / 1000 if told.isascii() and told.isdigit() and len(told) < 10 else None


def _json_array(numbers: tuple[int, ...]) -> str:
    return json.dumps(numbers, separators=(",", ":"))
