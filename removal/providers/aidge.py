"""Aidge's gateway, `POST /ai/image/removal`, as its reference and samples describe it.

Numbers are the reference's result codes. Names are the gateway's, as it shows them in its own error envelopes, which
also come inside HTTP 200 and may be merged with a result.
"""

import base64
import hashlib
import hmac
import json
import re
from urllib.parse import urlencode

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
from removal.provider import PreparedCall, Provider, Signed

_URL_NAMES = ("imageUrl", "image_url", "ImageUrl")
_ID_NAMES = ("requestId", "request_id", "RequestId", "_trace_id_")
_RESULT_NAMES = ("resCode", "res_code", "ResCode")
_MESSAGE_NAMES = ("resMessage", "message", "msg")
_GATEWAY_FINE = {"", "0", SUCCESS_CODE}

_RESULT_CODES = {
    "501": Kind(AnswerClass.THROTTLED),
    "700": Kind(AnswerClass.PERMANENT),
    "701": Kind(AnswerClass.SOURCE),
    "702": Kind(AnswerClass.SOURCE, retries=1, is_unreadable=True),
    "703": Kind(AnswerClass.PERMANENT),
    "704": Kind(AnswerClass.PERMANENT),
    "705": Kind(AnswerClass.PERMANENT),
    "801": Kind(AnswerClass.PROVIDER_FAULT),
    "900": Kind(AnswerClass.PROVIDER_FAULT),
    "1000": Kind(AnswerClass.PERMANENT),
    # Its filters look at the photo.
    "1001": Kind(AnswerClass.PROVIDER_FAULT, is_photos=True),
    "1002": Kind(AnswerClass.PROVIDER_FAULT, retries=2, is_photos=True),
}
_ACCOUNT_NAMES = re.compile(
    r"(illegal|invalid|incomplete|missing|expired|insufficient)"
    r"(sign|signature|signmethod|timestamp|app|appkey|accesstoken|partnerid|(isv|user)?permissions?)"
    r"|noresource|freequotaexhausted|servicenotopened",
    re.IGNORECASE,
)
_THROTTLE_NAMES = re.compile(r"\w*calllimit", re.IGNORECASE)
_SIGNING_WORDS = re.compile(
    r"\b(app_?key|partner_?id|timestamp|sign(ature|_?method|_?ver)?|access_?token)\b", re.IGNORECASE
)
_EXHAUSTED = re.compile(r"calling resources have been exhausted", re.IGNORECASE)


class Aidge(Provider):
    """The Aidge gateway; photos go to it as URLs or as Base64."""

    bounds = Bounds()
    takes_bytes = True

    def encode(self, request: RemovalRequest) -> PreparedCall:
        """Return the JSON body; costs CPU for the Base64."""
        return PreparedCall(encode(request))

    def sign(self, prepared: PreparedCall, now: float) -> Signed:  # noqa: ARG002 - every provider's signature
        """Return the signed query and the headers; neither path nor body is signed."""
        query = urlencode(sign(self.account.key, self.account.secret, int(now * 1000))).encode()
        headers = [
            (b"Content-Type", b"application/json"),
            (b"x-iop-trial", b"true" if self.account.trial else b"false"),
        ]
        return Signed(self.url.raw_path + (b"&" if self.url.query else b"?") + query, headers)

    @classmethod
    def kind_of(cls, code: str, message: str) -> Kind | None:
        """Return what a result code or a gateway code means; None for one that is not known.

        The message tells a missing signing parameter from any other, and an exhausted quota.
        """
        if code in _RESULT_CODES:
            return _RESULT_CODES[code]
        if _THROTTLE_NAMES.fullmatch(code):
            return Kind(AnswerClass.THROTTLED)
        if _ACCOUNT_NAMES.fullmatch(code) or _EXHAUSTED.search(message):
            return Kind(AnswerClass.ACCOUNT)
        if code.lower() == "missingparameter" and _SIGNING_WORDS.search(message):
            return Kind(AnswerClass.ACCOUNT)
        return None

    def read(self, reply: HttpReply) -> Answer:
        """Return what a reply means: `resCode` first, then the gateway's `code`, then the HTTP status.

        The reference shows no successful answer. One without `resCode` counts as success when it names an output and
        holds no code of trouble: the call is paid for.
        """
        envelope, flaw = read_object(reply.body)
        message = first_text(envelope, _MESSAGE_NAMES)
        request_id = first_text(envelope, _ID_NAMES)
        told = next((envelope[name] for name in _RESULT_NAMES if envelope.get(name) is not None), None)
        result = code_text(told)
        gateway = code_text(envelope.get("code"))
        says_no = str(envelope.get("success")).lower() == "false"
        url = output_url(envelope.get("data", envelope.get("Data")), _URL_NAMES)
        is_fine = result == SUCCESS_CODE or (told is None and gateway in _GATEWAY_FINE)
        if is_fine and url and reply.status == 200 and not says_no:
            return success(reply, message=message, request_id=request_id, output_url=url)
        if result == SUCCESS_CODE:
            flaw = "success_false" if says_no else NO_OUTPUT
        return failure(
            reply,
            [code for code in (result, gateway) if code not in _GATEWAY_FINE],
            self.kind_of,
            flaw=flaw or "no_code",
            message=message,
            request_id=request_id,
            names_output=bool(url),
        )


PROVIDER = Aidge


def encode(request: RemovalRequest) -> bytes:
    """Return the JSON body of a request.

    Arrays are JSON inside strings ("[1,2,3,4]"), as in the vendor's samples. The main subject's list is a required
    field and so is sent even when it is empty.
    """
    fields = {"object_remove_elements": _json_array(request.subject_elements)}
    if request.elements:
        fields["non_object_remove_elements"] = _json_array(request.elements)
    if request.mask:
        fields["mask"] = request.mask
    if request.image_bytes is None:
        return json.dumps({"image_url": request.image_url, **fields}).encode()
    # Base64 needs no escaping, so megabytes of it need not pass through the JSON encoder.
    photo = base64.b64encode(request.image_bytes)
    return b"".join((b'{"image_Base64": "', photo, b'", ', json.dumps(fields).encode()[1:]))


def sign(key: str, secret: str, now_ms: int) -> dict[str, str]:
    """Return the signed query parameters of one attempt, as the vendor's Python, Go and Java samples make them.

    The signature covers the secret and the time only. The gateway compares the time with its own clock, with a
    tolerance that is not documented: sign each attempt anew.

    Args:
        key: The account's app key.
        secret: The account's app secret; goes into the signature, never into the parameters.
        now_ms: Milliseconds since 1970, UTC.
    """
    timestamp = str(now_ms)
    digest = hmac.new(secret.encode(), (secret + timestamp).encode(), hashlib.sha256)
    return {
        "partner_id": "aidge",
        "sign_method": "sha256",
        "sign_ver": "v2",
        "app_key": key,
        "timestamp": timestamp,
        "sign": digest.hexdigest().upper(),
    }


def _json_array(numbers: tuple[int, ...]) -> str:
    return json.dumps(numbers, separators=(",", ":"))
