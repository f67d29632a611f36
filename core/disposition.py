"""`Content-Disposition`: the name a server gives a file, and the one we give (RFC 6266)."""

import re
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from urllib.parse import quote, unquote

LONGEST_HEADER = 2000
"""Of a header that is read; parsing takes more than in proportion."""

_CONTROLS = dict.fromkeys([*range(32), 127], " ")
_SEPARATORS = re.compile(r"[/\\]")
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,40}\?[BbQq]\?[^?\s]*\?=")
_PLAIN = re.compile(r"[^A-Za-z0-9._ -]")


def name_told(header: str | None) -> str:
    """Return the file name that a `Content-Disposition` tells, without folders; empty when it tells none.

    `filename*` counts more than `filename`. What servers send against the letter is read as browsers read it: encoded
    words, percent signs, names without quotes. It is a stranger's word: not safe as a name of a file.
    """
    if not header or len(header) > LONGEST_HEADER:
        return ""
    message = Message()
    message["Content-Disposition"] = header.translate(_CONTROLS)
    told = [value for name, value in message.get_params([], "content-disposition") if name.lower() == "filename"]
    # What says its encoding first.
    for value in sorted(told, key=lambda each: not isinstance(each, tuple)):
        with suppress(LookupError, ValueError, MessageError):
            name = _SEPARATORS.split(_decoded(value) if isinstance(value, tuple) else _read_plain(value))[-1].strip()
            if name:
                return name
    return ""


def disposition(kind: str, name: str) -> str:
    """Return a `Content-Disposition`.

    Args:
        kind: `inline` or `attachment`.
        name: Of the file, any characters.
    """
    plain = _PLAIN.sub("_", name)
    told = f'{kind}; filename="{plain}"'
    return told if plain == name else f"{told}; filename*=UTF-8''{quote(name, safe='')}"


def _decoded(value: tuple[str | None, str | None, str]) -> str:
    charset, _, told = value
    return told.encode("latin-1", "replace").decode(charset or "utf-8", "replace")


def _read_plain(told: str) -> str:
    if _ENCODED_WORD.search(told):
        told = str(make_header(decode_header(told)))
    return unquote(told) if "%" in told else told
