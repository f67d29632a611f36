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

from actions.levels import Standing
from console.pages.places import places
from console.pages.visitor import Visitor
from core.figures import ago, count, counted, duration, moment, percent, size
from core.money import PLACES, describe_calls, describe_saved, describe_spent, money, price_of
from core.settings import Settings
from core.shown import url_for_people
from core.states import called
from quote.pace import about
from removal.contract import element_names

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
            "called": called,
            "capital": lambda text: text[:1].upper() + text[1:],
            "count": count,
            "counted": counted,
            "duration": duration,
            "elements": element_names,
            "for_people": url_for_people,
            "moment": moment,
            "path": lambda text: quote(str(text), safe=""),
            "percent": percent,
            "places": places,
            "size": size,
        }
        self._environment.filters["money"] = self.money
        self._environment.filters["spent"] = lambda cost, calls=0: describe_spent(cost, settings, calls=calls)
        self._environment.filters["saved"] = lambda amount: describe_saved(amount, settings)
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


def _pack(text: str) -> str:
    return base64.urlsafe_b64encode(text[:500].encode()).decode()


def _unpack(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text.encode("ascii", "replace")).decode()[:500]
    except ValueError:
        return ""
