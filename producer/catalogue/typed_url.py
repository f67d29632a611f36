"""URLs as people and programs write them, read as a browser reads them."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

# What a million lines look like; all others are looked at closely.
_USUAL = re.compile(r"https?://[A-Za-z0-9.-]+(/[!#-;=?-_a-z|~]*)?")
_QUOTED = re.compile(r"[\"'<\u201c\u2018\u201e](.*)[\"'>\u201d\u2019\u201c][,;]?")
_NO_SCHEME = re.compile(r"www\.[^\s/.]+\.[^\s/]+/")
_BEGINS = re.compile(r"(?:^|(?<=[\s\"'])[,;|]?)(?=https?://)", re.IGNORECASE)
_USERINFO = re.compile(r"//[^/@]*@")
_BREAKS = re.compile(r"[\t\r\n]")
LONGEST_SHOWN = 120
_BETWEEN = " \t,;|\"'"
_AS_THEY_ARE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>`')


def read_url(typed: str) -> str | None:
    """Return the http(s) URL that somebody meant; None when it is none.

    Space around it and quotes are passed over; space, quotes and what is not ASCII are percent-encoded, as the URL
    Standard (url.spec.whatwg.org) has it.
    """
    if _USUAL.fullmatch(typed):
        return typed
    told = _BREAKS.sub("", _bare(typed))
    if told.startswith("//"):
        told = f"https:{told}"
    elif _NO_SCHEME.match(told):
        told = f"https://{told}"
    scheme, separator, rest = told.partition("://")
    if scheme.lower() not in {"http", "https"} or not separator:
        return None
    host, slash, path = rest.replace("\\", "/").partition("/")
    # A name in another script is a host's business; the client writes it as DNS wants it.
    url = f"{scheme}://{host}{slash}{quote(path, safe=_AS_THEY_ARE, errors='replace')}"
    return url if is_url(url) and not any(each in "\"'<>" for each in host) else None


def is_url(value: str) -> bool:
    """Whether a value can be an http(s) URL as it stands."""
    if _USUAL.fullmatch(value):
        return True
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        return False
    return is_usable and not any(character.isspace() for character in value)


@dataclass(frozen=True, slots=True)
class FoundUrl:
    """A URL in a line.

    Args:
        start: Where what was written begins, quotes not included.
        end: Where it ends.
        url: What it means; None when it is no URL.
    """

    start: int
    end: int
    url: str | None


def find_urls(line: str) -> list[FoundUrl]:
    """Return the URLs of a line: as a rule one, which is all of it."""
    starts = [found.end() for found in _BEGINS.finditer(line)]
    if len(starts) < 2:
        starts = [0]
    elif line[: starts[0]].strip(_BETWEEN):
        # What stands before the first of several is told of, too.
        starts.insert(0, 0)
    places = []
    for start, stop in zip(starts, [*starts[1:], len(line)], strict=True):
        told = line[start:stop].rstrip(_BETWEEN) if len(starts) > 1 else line[start:stop]
        bare = _bare(told)
        begin = start + told.find(bare)
        places.append(FoundUrl(begin, begin + len(bare), read_url(bare)))
    return places


def shown(typed: str) -> str:
    """Return the beginning of what is no URL, without the password that may stand in it."""
    return _USERINFO.sub("//\u2026@", typed[:LONGEST_SHOWN])


def _bare(told: str) -> str:
    told = told.strip()
    quoted = _QUOTED.fullmatch(told)
    return quoted[1].strip() if quoted else told
