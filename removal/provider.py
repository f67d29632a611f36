"""What a removal API has to be able to do here, and finding one by its name.

A provider is one module of `removal/providers/` with a class `PROVIDER`. It knows its photos' bounds and what its
codes mean, makes HTTP requests and reads HTTP replies; connections, slots and retries are the same for all and none of
its business.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import ClassVar

import httpx

from core.errors import UsageError
from removal import providers
from removal.answers import Answer, HttpReply, Kind
from removal.bounds import Bounds
from removal.contract import RemovalRequest


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls.

    Args:
        key: The public half: an app key, or an access key's id.
        secret: The other half; appears in no message, repr or log.
        trial: Use the account's trial quota.
    """

    key: str
    secret: str = field(repr=False)
    trial: bool = False


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A request without its signature: made before the slot, so that the slot is met.

    Args:
        body: The whole body; empty when everything is in the parameters.
        parameters: Of the query, unquoted.
    """

    body: bytes = field(repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """What one attempt adds to the request.

    Args:
        target: Path and query.
        headers: Without `Host` and `Content-Length`.
    """

    target: bytes = field(repr=False)
    headers: list[tuple[bytes, bytes]] = field(repr=False)


class Provider(ABC):
    """A removal API.

    Args:
        url: Where it is called.
        account: Who calls.

    Raises:
        UsageError: It cannot be called like this, or a package it needs is not installed.
    """

    bounds: ClassVar[Bounds]
    """Its photos' sizes and formats."""
    takes_bytes: ClassVar[bool]
    """Whether photos can be sent to it, or only their URLs."""

    def __init__(self, url: httpx.URL, account: Account) -> None:
        self.url = url
        self.account = account

    @abstractmethod
    def encode(self, request: RemovalRequest) -> PreparedCall:
        """Return the request without its signature; may cost CPU.

        Raises:
            UsageError: The request holds what this API does not take.
        """

    @abstractmethod
    def sign(self, prepared: PreparedCall, now: float) -> Signed:
        """Return the target and headers of one attempt.

        Args:
            prepared: From `encode`.
            now: Seconds since 1970.
        """

    @classmethod
    @abstractmethod
    def kind_of(cls, code: str, message: str) -> Kind | None:
        """Return what a code of this API means, now or in an attempt that was written down; None for an unknown one.

        Args:
            code: The code as text.
            message: What came with it, cut off when it is long.
        """

    @abstractmethod
    def read(self, reply: HttpReply) -> Answer:
        """Return what a reply means; never raises, whatever was sent."""


def find_provider(name: str) -> type[Provider]:
    """Return the provider of that name.

    Raises:
        UsageError: There is none.
    """
    known = sorted(module.name for module in iter_modules(providers.__path__))
    if name not in known:
        raise UsageError(f"REMOVAL_PROVIDER is one of {', '.join(known)} (given: {name[:80]!r}).")
    found: type[Provider] = import_module(f"{providers.__name__}.{name}").PROVIDER
    return found
