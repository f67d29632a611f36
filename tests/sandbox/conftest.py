from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings

Start = Callable[..., tuple[SandboxServer, httpx.Client]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts sandboxes, with a client for each, and stops them all."""
    with ExitStack() as stack:

        def begin(**settings: Any) -> tuple[SandboxServer, httpx.Client]:
            server = stack.enter_context(SandboxServer(SandboxSettings(**({"echo": True, "rate": 0} | settings))))
            client = stack.enter_context(httpx.Client(base_url=server.url, timeout=60, trust_env=False, verify=False))
            return server, client

        yield begin
