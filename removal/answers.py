"""Reading an answer: what came back over HTTP becomes one class, one code and, when there is one, an output URL."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from core.states import AnswerClass
from removal.codes import SUCCESS_CODE, class_of_code, class_of_status

RAW_BYTES = 4096
TEXT_CHARS = 500
CODE_CHARS = 60
LONGEST_BAN_SECONDS = 3600.0

_BAN = re.compile(r"ban will last\s+(\d{1,9}(?:\.\d{1,9})?)\s*(milli)?s", re.IGNORECASE)
_URL_NAMES = ("imageUrl", "image_url", "ImageUrl")
_ID_NAMES = ("requestId", "request_id", "RequestId", "_trace_id_")
_MESSAGE_NAMES = ("resMessage", "message", "msg")
_GATEWAY_FINE = {"", "0", SUCCESS_CODE}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call came to.

    Args:
        answer_class: What kind of answer it was.
        http_status: None when no answer came.
        code: A short stable word for reports: `200`, `801`, `ApiCallLimit`, `http_503`, `read_timeout`, `not_json`.
        message: What the API or the network said.
        request_id: The API's own id of this call.
        output_url: Where the output can be fetched, for a success.
        ban_seconds: How long the API said to stay away.
        raw: The start of the body, at most 4 KB.
        latency_seconds: From the first byte sent to the last byte read.
        bytes_sent: Bytes of this call that left through the socket.
    """

    answer_class: AnswerClass
    http_status: int | None
    code: str
    message: str
    request_id: str | None
    output_url: str | None
    ban_seconds: float | None
    raw: str
    latency_seconds: float
    bytes_sent: int


def read_answer(
    http_status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    received_at: float,
    latency_seconds: float = 0.0,
    bytes_sent: int = 0,
) -> Answer:
    """Return what an HTTP answer means; never raises, whatever the body is.

    Args:
        http_status: The status line's number.
        headers: Lower-case names.
        body: As received.
        received_at: Seconds since 1970, to turn a `Retry-After` date into a length.
        latency_seconds: Stands in the answer.
        bytes_sent: Stands in the answer.
    """
    envelope, flaw = _parse(body)
    message = _first_text(envelope, _MESSAGE_NAMES)
    url = _output_url(envelope)
    answer_class, code = _classify(http_status, envelope, flaw, message, url)
    success = answer_class is AnswerClass.SUCCESS
    return Answer(
        answer_class=answer_class,
        http_status=http_status,
        code=code,
        message=message or ("" if success else _explain(http_status, code)),
        request_id=_first_text(envelope, _ID_NAMES) or None,
        output_url=url if success else None,
        ban_seconds=None if success else _ban_seconds(message, headers, received_at),
        raw=raw_text(body),
        latency_seconds=latency_seconds,
        bytes_sent=bytes_sent,
    )


def raw_text(body: bytes) -> str:
    """Return the start of a body as text that PostgreSQL can store."""
    return _storable(body[:RAW_BYTES].decode("utf-8", "replace"))


def _classify(
    http_status: int, envelope: dict[str, Any], flaw: str, message: str, url: str | None
) -> tuple[AnswerClass, str]:
    result = _code_text(envelope.get("resCode"))
    gateway = _code_text(envelope.get("code"))
    says_no = str(envelope.get("success")).lower() == "false"
    if result == SUCCESS_CODE and url and http_status == 200 and not says_no:
        return AnswerClass.SUCCESS, result
    by_status = class_of_status(http_status)
    codes = [code for code in (result, gateway) if code not in _GATEWAY_FINE]
    if by_status is not AnswerClass.THROTTLED:
        for code in codes:
            if known := class_of_code(code, message):
                return known, code
    if by_status or http_status != 200:
        return by_status or AnswerClass.UNKNOWN, f"http_{http_status}"
    if codes or flaw:
        return AnswerClass.UNKNOWN, codes[0] if codes else flaw
    if result == SUCCESS_CODE:
        return AnswerClass.UNKNOWN, "success_false" if says_no else "no_output_url"
    return AnswerClass.UNKNOWN, "no_code"


def _parse(body: bytes) -> tuple[dict[str, Any], str]:
    if not body.strip():
        return {}, "empty_body"
    try:
        value = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return {}, "not_json"
    return (value, "") if isinstance(value, dict) else ({}, "not_an_object")


def _output_url(envelope: dict[str, Any]) -> str | None:
    data = envelope.get("data")
    if isinstance(data, str):
        data, _ = _parse(data.encode("utf-8", "replace"))
    if not isinstance(data, dict):
        return None
    url = _first_text(data, _URL_NAMES, limit=None)
    return url if url.startswith(("https://", "http://")) else None


def _code_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _storable(str(value).strip())[:CODE_CHARS]


def _first_text(fields: dict[str, Any], names: tuple[str, ...], limit: int | None = TEXT_CHARS) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return _storable(value.strip())[:limit]
    return ""


def _storable(text: str) -> str:
    # PostgreSQL takes neither NUL nor lone surrogates, and JSON can carry both.
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _ban_seconds(message: str, headers: Mapping[str, str], received_at: float) -> float | None:
    spans = []
    if found := _BAN.search(message):
        spans.append(float(found[1]) / (1000 if found[2] else 1))
    header = headers.get("retry-after", "").strip()
    try:
        spans.append(float(header))
    except ValueError:
        try:
            until = parsedate_to_datetime(header)
            spans.append((until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - received_at)
        except (ValueError, TypeError, OverflowError):
            pass
    spans = [span for span in spans if math.isfinite(span)]
    return min(max(0.0, *spans), LONGEST_BAN_SECONDS) if spans else None


def _explain(http_status: int, code: str) -> str:
    return f"HTTP {http_status}, {code.replace('_', ' ')}" if code != f"http_{http_status}" else f"HTTP {http_status}"
