"""What differs between the APIs that the sandbox speaks; quota, faults, photos and erasing are the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sandbox.answers import HttpAnswer, RefusalError
from sandbox.photos import PhotoBounds
from sandbox.requests import ErasureRequest
from sandbox.settings import SandboxSettings


@dataclass(frozen=True)
class Received:
    """The head of a removal call.

    Args:
        arrived: monotonic time of its first line.
        method: GET or POST.
        path: as it came, still quoted.
        query: the parameters of the request line.
        headers: names in lower case.
        base_url: how the client reaches this server, without a slash at the end.
    """

    arrived: float
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    base_url: str


class Dialect(Protocol):
    """One API's names, signature, bounds and answers."""

    bounds: PhotoBounds

    def refuse(self, call: Received, settings: SandboxSettings, now: float) -> HttpAnswer | None:
        """The answer to a call that is not signed as it has to be; None when it is. `now`: seconds since 1970."""
        ...

    def read(self, call: Received, body: bytes) -> ErasureRequest:
        """What is asked for; raises RefusalError."""
        ...

    def success(self, output_url: str | None, size: tuple[int, int]) -> HttpAnswer:
        """The answer with an output; `None` leaves its URL out."""
        ...

    def refusal(self, error: RefusalError) -> HttpAnswer:
        """The answer to a call that cannot be served."""
        ...

    def throttled(self, settings: SandboxSettings) -> HttpAnswer:
        """The answer to a call over the quota."""
        ...

    def fault(self, name: str, settings: SandboxSettings) -> HttpAnswer:
        """The answer that a fault named by a code stands for."""
        ...
