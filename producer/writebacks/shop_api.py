"""What a shop's API can do for us, whatever platform it is, and what it may answer instead."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.errors import CleanplateError
from core.net.client import CheckedClient, NoAnswer
from producer.writebacks.pace import Pace, ShopThrottled

CALL_SECONDS = 30.0
"""Shops fetch the new photo before they answer."""
MOST_ANSWER_BYTES = 4_000_000
_TRANSIENT = frozenset({408, 409, 423, 425})


class ShopRefused(CleanplateError):
    """The shop understood and said no; the same again would end the same."""


class TokenRefused(CleanplateError):
    """The shop does not know the token, or it may not do this: nothing goes into this shop until that is changed."""


class ShopFailed(CleanplateError):
    """Nothing usable came back; it may the next time."""


@dataclass(frozen=True, slots=True)
class ShopMedium:
    """A photo as it stands in a shop now.

    Args:
        id: What the shop calls it.
        url: Where it is.
        version: As the shop's webhooks tell it; see `ShopPhoto`.
        is_ready: Whether the shop is through with what was sent last.
        fault: Why the shop could not use what was sent last; empty when it could.
        entry: As the API words it.
    """

    id: str
    url: str
    version: str = ""
    is_ready: bool = True
    fault: str = ""
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class NewPhoto:
    """What is to stand in a shop.

    Args:
        data: The file.
        url: Where the shop can fetch it.
        media_type: Such as `image/jpeg`.
        name: A file name that holds the content's hash.
    """

    data: bytes = field(repr=False)
    url: str
    media_type: str
    name: str


class ShopApi(Protocol):
    """One shop's API, for one thread.

    Raises, each method:
        ShopRefused, TokenRefused, ShopThrottled, ShopFailed: As they say.
    """

    def read(self, product: str) -> list[ShopMedium]:
        """Return a product's photos in their order; none when the product is gone."""
        ...

    def stands(self, product: str, gallery: list[ShopMedium]) -> bool:
        """Whether a product still has the photos that were read, as far as a replacement would undo what changed."""
        ...

    def replace(self, product: str, gallery: list[ShopMedium], medium: ShopMedium, photo: NewPhoto) -> str:
        """Put a photo in the place of one of the gallery, and return what the shop calls it now, if it says."""
        ...


@dataclass(slots=True)
class ShopCaller:
    """Asks one shop in JSON, no faster than its limits want.

    Args:
        client: Checks addresses.
        base: The shop's address, without a slash at its end.
        headers: What says who asks.
        pace: Of this shop.
        calls: How many requests were made.
    """

    client: CheckedClient
    base: str
    headers: Mapping[str, str] = field(repr=False)
    pace: Pace
    calls: int = 0

    def find(self, path: str, words: Callable[[object], str]) -> Any:
        """Return what a shop knows under a path; None when there is no such thing (any more).

        Args:
            path: Below the shop's address.
            words: Reads why not from an answer.

        Raises:
            ShopRefused: It says no, among what else `ask` raises.
        """
        status, found = self.ask("GET", path)
        return None if status == 404 else accepted(status, found, words)

    def change(self, path: str, body: object, words: Callable[[object], str], *, waits: bool = True) -> Any:
        """Change what a shop has under a path, and return what it has now.

        Args:
            path: Below the shop's address.
            body: What is sent as JSON.
            words: Reads why not from an answer.
            waits: As for `ask`.

        Raises:
            ShopRefused: It says no, among what else `ask` raises.
        """
        return accepted(*self.ask("PUT", path, body, waits=waits), words)

    def ask(self, method: str, path: str, body: object = None, *, waits: bool = True) -> tuple[int, Any]:
        """Return the status and the JSON of an answer; faults of the shop and refused tokens are raised.

        Args:
            method: Such as `GET`.
            path: Below the shop's address.
            body: What is sent as JSON, if anything.
            waits: Whether the pace is waited for before; if not, the next call waits for longer.
        """
        if waits:
            self.pace.wait()
        headers = {"Accept": "application/json", **self.headers}
        sent = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        if sent is not None:
            headers["Content-Type"] = "application/json"
        self.calls += 1
        try:
            reply = self.client.send(
                method, f"{self.base}{path}", headers, body=sent, seconds=CALL_SECONDS, max_bytes=MOST_ANSWER_BYTES
            )
        except NoAnswer as error:
            raise ShopFailed(str(error)) from error
        self.pace.note_call(1 if waits else 2)
        if reply.status == 429 or (reply.status == 503 and "retry-after" in reply.headers):
            self.pace.hold(_retry_after(reply.headers))
            raise ShopThrottled(self.pace.wait_seconds)
        if reply.status in {401, 403}:
            raise TokenRefused(f"HTTP {reply.status}: {_words(reply.body)}")
        if reply.status >= 500 or reply.status in _TRANSIENT or 300 <= reply.status <= 399:
            raise ShopFailed(f"HTTP {reply.status}: {_words(reply.body)}")
        try:
            return reply.status, json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise ShopFailed(f"HTTP {reply.status}, and the answer is not JSON: {_words(reply.body)}") from error


def accepted(status: int, found: object, words: Callable[[object], str]) -> object:
    """Return an answer, unless it is a no.

    Raises:
        ShopRefused: It is one.
    """
    if status != 200:
        raise ShopRefused(f"HTTP {status}: {words(found)}")
    return found


def _retry_after(headers: Mapping[str, str]) -> float:
    told = headers.get("retry-after", "").strip()
    try:
        return min(max(float(told), 1.0), 3600.0)
    except ValueError:
        return 10.0


def _words(body: bytes) -> str:
    return body[:300].decode("utf-8", "replace").strip()
