"""What a call came to, and the reading that all providers share: JSON that may be anything, bans, HTTP statuses."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from core.states import AnswerClass, Spend

RAW_BYTES = 4096
TEXT_CHARS = 500
CODE_CHARS = 60
LONGEST_BAN_SECONDS = 3600.0
SUCCESS_CODE = "200"

TRUNCATED = "truncated_json"
NO_OUTPUT = "no_output_url"

FAULTS = frozenset({AnswerClass.PROVIDER_FAULT, AnswerClass.MAYBE_BILLED, AnswerClass.UNKNOWN})
"""What is put down to the provider, unless its own file says that it may be the photo's fault."""

_BAN = re.compile(r"ban will last\s+(?:for\s+)?(\d{1,9}(?:\.\d{1,9})?)\s*(?:more\s+)?(ms|milli|s|m|h)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Kind:
    """What an answer means for its job, whoever's API gave it.

    Args:
        answer_class: What it counts as.
        retries: How often a job is called for again after this very code; None: as often as after any other.
        is_photos: Whether it may be the photo's fault, though the provider says that it is its own: it tells nothing
            of an outage.
        is_unreadable: Whether the bytes that were sent could not be read, so that they are made anew.
    """

    answer_class: AnswerClass
    retries: int | None = None
    is_photos: bool = False
    is_unreadable: bool = False

    @property
    def is_providers(self) -> bool:
        """Whether the provider is at fault, and so may be out: not the photo, the account, or nobody."""
        return self.answer_class in FAULTS and not self.is_photos


KindOf = Callable[[str, str], Kind | None]
"""Says what a code with its message means to one provider; None for one that it does not know."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call came to.

    Args:
        kind: What it means.
        http_status: None when no answer came.
        code: A short stable word for reports: `200`, `801`, `ApiCallLimit`, `http_503`, `read_timeout`, `not_json`.
        message: What the API or the network said.
        request_id: The API's own id of this call.
        output_url: Where the output can be fetched, for a success.
        ban_seconds: How long the API said to stay away.
        raw: The start of the body, at most 4 KB.
        latency_seconds: From the first byte sent to the last byte read.
        bytes_sent: Bytes of this call that left through the socket.
        names_output: Whether it names an output; one that is no success may have been billed then.
    """

    kind: Kind
    http_status: int | None
    code: str
    message: str
    request_id: str | None
    output_url: str | None
    ban_seconds: float | None
    raw: str
    latency_seconds: float
    bytes_sent: int
    names_output: bool = False

    @property
    def answer_class(self) -> AnswerClass:
        """What it counts as."""
        return self.kind.answer_class

    @property
    def spend(self) -> Spend:
        """What is known of the money of the call."""
        if self.answer_class is AnswerClass.SUCCESS:
            return Spend.PAID
        # A success that forgot to name its output, came only in part, or is not understood, was worked on all the same.
        was_worked_on = self.answer_class is AnswerClass.UNKNOWN and (
            self.names_output or self.code in {NO_OUTPUT, TRUNCATED}
        )
        may_be_billed = was_worked_on or self.answer_class is AnswerClass.MAYBE_BILLED
        return Spend.MAYBE if may_be_billed else Spend.NONE


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole HTTP answer.

    Args:
        status: The status line's number.
        headers: Lower-case names.
        body: As received.
        received_at: Seconds since 1970, to turn a `Retry-After` date into a length.
        latency_seconds: Stands in the answer.
        bytes_sent: Stands in the answer.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: float
    latency_seconds: float = 0.0
    bytes_sent: int = 0


def success(reply: HttpReply, *, message: str, request_id: str, output_url: str) -> Answer:
    """Return the answer of a call that made an output."""
    return Answer(
        kind=Kind(AnswerClass.SUCCESS),
        http_status=reply.status,
        code=SUCCESS_CODE,
        message=message,
        request_id=request_id or None,
        output_url=output_url,
        ban_seconds=None,
        raw=raw_text(reply.body),
        latency_seconds=reply.latency_seconds,
        bytes_sent=reply.bytes_sent,
        names_output=True,
    )


def failure(
    reply: HttpReply,
    codes: list[str],
    kind_of: KindOf,
    *,
    flaw: str,
    message: str,
    request_id: str,
    ban_seconds: float | None = None,
    names_output: bool = False,
) -> Answer:
    """Return the answer of a call that made no output: a code that is known tells most, then the HTTP status.

    Args:
        reply: What came.
        codes: The codes in it that mean trouble, the most telling first.
        kind_of: Knows the provider's codes.
        flaw: The word for reports when neither code nor status says anything.
        message: What the API said.
        request_id: The API's own id of this call.
        ban_seconds: A ban that only this provider tells in its way.
        names_output: Whether it names an output all the same.
    """
    kind, code = _classify(reply.status, codes, kind_of, message, flaw)
    return Answer(
        kind=kind,
        http_status=reply.status,
        code=code,
        message=message or _explain(reply.status, code),
        request_id=request_id or None,
        output_url=None,
        ban_seconds=_ban_seconds(message, reply, ban_seconds),
        raw=raw_text(reply.body),
        latency_seconds=reply.latency_seconds,
        bytes_sent=reply.bytes_sent,
        names_output=names_output,
    )


def raw_text(body: bytes) -> str:
    """Return the start of a body as text that PostgreSQL can store."""
    return _storable(body[:RAW_BYTES].decode("utf-8", "replace"))


def read_object(body: bytes | str) -> tuple[dict[str, Any], str]:
    """Return a body's JSON object and an empty word, or an empty object and the word for what is wrong with it."""
    data = body.encode("utf-8", "replace") if isinstance(body, str) else body
    if not data.strip():
        return {}, "empty_body"
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        # The start of an answer: what it would have said was worked on, and perhaps billed.
        return {}, TRUNCATED if data.lstrip().startswith(b"{") else "not_json"
    return (value, "") if isinstance(value, dict) else ({}, "not_an_object")


def code_text(value: object) -> str:
    """Return a code as text, whether it came as a number or as a string; empty when it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _storable(str(value).strip())[:CODE_CHARS]


def first_text(fields: Mapping[str, Any], names: tuple[str, ...], limit: int | None = TEXT_CHARS) -> str:
    """Return the first of the named fields that holds text; empty when none does."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            return _storable(value.strip())[:limit]
    return ""


def output_url(data: object, names: tuple[str, ...]) -> str:
    """Return the http(s) URL under one of the names, in an object or in JSON text of one; empty when there is none."""
    fields = read_object(data)[0] if isinstance(data, str) else data
    url = first_text(fields, names, limit=None) if isinstance(fields, dict) else ""
    return url if url.lower().startswith(("https://", "http://")) else ""


def class_of_status(http_status: int) -> AnswerClass | None:
    """Return the class an HTTP status has by itself; None when only the body can tell."""
    if http_status == 429:
        return AnswerClass.THROTTLED
    if http_status in {401, 403}:
        return AnswerClass.ACCOUNT
    if http_status in {413, 414}:
        # The body or the request line is too long, and the same one would be the next time.
        return AnswerClass.PERMANENT
    if 500 <= http_status <= 599:
        return AnswerClass.PROVIDER_FAULT
    return None


def _classify(http_status: int, codes: list[str], kind_of: KindOf, message: str, flaw: str) -> tuple[Kind, str]:
    by_status = class_of_status(http_status)
    if by_status is not AnswerClass.THROTTLED:
        for code in codes:
            if known := kind_of(code, message):
                return known, code
    if by_status or http_status != 200:
        return Kind(by_status or AnswerClass.UNKNOWN), f"http_{http_status}"
    return Kind(AnswerClass.UNKNOWN), codes[0] if codes else flaw


def _storable(text: str) -> str:
    # PostgreSQL takes neither NUL nor lone surrogates, and JSON can carry both.
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _ban_seconds(message: str, reply: HttpReply, told: float | None) -> float | None:
    spans = [] if told is None else [told]
    if found := _BAN.search(message):
        spans.append(float(found[1]) * _SECONDS[found[2].lower()])
    header = reply.headers.get("retry-after", "").strip()
    try:
        spans.append(float(header))
    except ValueError:
        try:
            until = parsedate_to_datetime(header)
            spans.append((until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - reply.received_at)
        except (ValueError, TypeError, OverflowError):
            pass
    spans = [span for span in spans if math.isfinite(span)]
    return min(max(0.0, *spans), LONGEST_BAN_SECONDS) if spans else None


def _explain(http_status: int, code: str) -> str:
    return f"HTTP {http_status}, {code.replace('_', ' ')}" if code != f"http_{http_status}" else f"HTTP {http_status}"
