"""Pages from templates, with the headers that keep other people's scripts and frames out."""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from actions.status import Standing
from console.pages.visitor import Visitor
from core.money import PLACES, describe_calls, money, price_of
from core.settings import Settings
from core.shown import url_for_people
from quote.pace import about

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
SAID = "cleanplate_said"

ShownOnce = list[tuple[str, str]]
"""What is shown this once: what it is, and its text."""


class Pages:
    """Renders pages.

    Args:
        settings: Currency, and where Flower is.
        stand: Says how the whole stands.
    """

    def __init__(self, settings: Settings, stand: Callable[[], Standing]) -> None:
        self._settings = settings
        self._stand = stand
        self._environment = Environment(
            loader=PackageLoader("console"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "about": about,
            "ago": ago,
            "count": count,
            "duration": duration,
            "for_people": url_for_people,
            "moment": moment,
            "path": lambda text: quote(str(text), safe=""),
            "percent": percent,
            "size": size,
        }
        self._environment.filters["money"] = self.money
        self._environment.filters["price"] = lambda calls: price_of(calls, settings)
        self._environment.filters["calls"] = lambda calls: describe_calls(calls, settings)
        self.is_secure = settings.web_url.startswith("https://")

    def money(self, amount: Decimal | float) -> str:
        """Return an amount in the currency of calls."""
        return money(round(Decimal(str(amount)), PLACES), self._settings.removal_currency)

    def show(
        self,
        request: Request,
        template: str,
        visitor: Visitor | None,
        *,
        status: int = 200,
        **context: Any,
    ) -> Response:
        """Return a page.

        Args:
            request: Which asked for it.
            template: Its name.
            visitor: Who looks; None for nobody.
            status: HTTP's.
            context: What the template shows.
        """
        said = _unpack(request.cookies.get(SAID, ""))
        body = self.part(template, visitor, path=request.url.path, said=said, **context)
        response = HTMLResponse(body, status, HEADERS)
        if said:
            response.delete_cookie(SAID)
        return response

    def part(self, template: str, visitor: Visitor | None, **context: Any) -> str:
        """Return a template's text."""
        return self._environment.get_template(template).render(
            visitor=visitor,
            csrf=visitor.csrf if visitor else "",
            standing=self._stand() if visitor else None,
            flower_url=self._settings.flower_public_url,
            uses_sandbox=self._settings.is_free,
            now=datetime.now(UTC),
            **context,
        )

    def go(self, where: str, said: str = "") -> Response:
        """Return a redirect after something was done, with a word about it for the next page."""
        response = RedirectResponse(where, 303, HEADERS)
        if said:
            response.set_cookie(SAID, _pack(said), max_age=60, httponly=True, samesite="lax", secure=self.is_secure)
        return response


def with_headers(response: Response, more: Mapping[str, str] | None = None) -> Response:
    """Return a response with the headers of pages."""
    response.headers.update({**HEADERS, **(more or {})})
    return response


def ago(when: datetime | None, now: datetime) -> str:
    """Return how long ago something was."""
    if when is None:
        return "never"
    seconds = (now - when).total_seconds()
    return "just now" if seconds < 2 else f"{duration(seconds)} ago"


def duration(seconds: float | None) -> str:
    """Return a length of time as people say it."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit, name, part, part_name in (
        (100, 1, "s", 0, ""),
        (5400, 60, "min", 0, ""),
        (129_600, 3600, "h", 60, "min"),
    ):
        if seconds < limit:
            whole, rest = divmod(int(seconds), unit)
            more = f" {rest // part} {part_name}" if part and rest // part else ""
            return f"{whole} {name}{more}"
    return f"{seconds / 86_400:.1f} days"


def moment(when: datetime | None) -> str:
    """Return a time as it is written in full."""
    return "–" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def count(number: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{int(number):,}".replace(",", "\u202f")


def percent(share: float | None) -> str:
    """Return a share as per cent."""
    if share is None:
        return "–"
    return f"{share * 100:.{2 if 0 < share < 0.01 else 1}f} %"


def size(number: int | None) -> str:
    """Return a number of bytes as people say it."""
    if number is None:
        return "–"
    return f"{number / 1_000_000:.1f} MB" if number >= 1_000_000 else f"{number / 1000:.0f} kB"


def _pack(text: str) -> str:
    return base64.urlsafe_b64encode(text[:500].encode()).decode()


def _unpack(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text.encode("ascii", "replace")).decode()[:500]
    except ValueError:
        return ""
