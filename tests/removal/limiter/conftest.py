"""A real Valkey for the limiter's tests."""

import itertools
from collections.abc import Iterator

import pytest
from redis import Redis

from localstack.embedded import EmbeddedValkey

_accounts = itertools.count()


@pytest.fixture
def redis(valkey: EmbeddedValkey) -> Iterator[Redis]:
    """A client of this test process' server."""
    with Redis.from_url(valkey.url, socket_timeout=60) as client:
        yield client


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return f"account-{next(_accounts)}"
