"""What may be shown of texts that come from others: URLs to people, any text on a terminal, cells in a spreadsheet."""

import re
import unicodedata
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "…"
LONGEST_VALUE = 24
"""Of a parameter that is shown; what grants access to something is longer."""

_SECRET_NAME = re.compile(r"sig|token|key|pass|pwd|secret|cred|auth|policy|session|hmac|hash|^se$|^x-", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.,:%+ -]*")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_KEPT_CONTROLS = "\n\t"
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def url_for_people(url: str) -> str:
    """Return a URL without what lets others in: no user name, no password, no fragment, no signature or token.

    Parameters that only say which photo it is, such as `v=12`, stay; of all others the name does.
    """
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("://")[0] + f"://{HIDDEN}"
    if parts.scheme.lower() not in {"http", "https"}:
        return url
    query = "&".join(_parameter(part) for part in parts.query.split("&")) if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def _parameter(told: str) -> str:
    name, equals, value = told.partition("=")
    if not equals:
        return told if len(told) <= LONGEST_VALUE else HIDDEN
    is_plain = len(value) <= LONGEST_VALUE and _PLAIN_VALUE.fullmatch(value) and not _SECRET_NAME.search(name)
    return told if is_plain else f"{name}={HIDDEN}"


def text_for_terminal(text: str) -> str:
    """Return text that a terminal writes and does not obey: no escape sequences, nothing that turns a line around.

    Line breaks and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if each in _KEPT_CONTROLS or not _is_unseen(each) else "\ufffd" for each in text)


def _is_unseen(character: str) -> bool:
    # Joiners of emoji and scripts change how a letter looks, not where it stands.
    return unicodedata.category(character) in _UNSEEN and character not in "\u200c\u200d"


def cell_for_spreadsheet(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; `cell_of_spreadsheet` undoes it."""
    return f"'{cell}" if _is_formula(cell) else cell


def cell_of_spreadsheet(cell: str) -> str:
    """Return what `cell_for_spreadsheet` was given."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(cell: str) -> bool:
    return cell.lstrip("'").lstrip(" ").startswith(_FORMULA_STARTS)
