"""The embedded Valkey: private, and at the same address after a restart."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import AuthenticationError, Redis

from core.errors import UnavailableError
from localstack.embedded import EmbeddedValkey
from localstack.found import find_processes


def servers(home: Path) -> list[int]:
    return find_processes("valkey-server", str(home.resolve() / "valkey" / "valkey.conf"))


def test_it_starts_and_stops(home: Path) -> None:
    with EmbeddedValkey(home) as server, Redis.from_url(server.url) as client:
        assert client.ping()
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert len(servers(home)) == 1
    assert servers(home) == []
    server.stop()


def test_nobody_gets_in_without_the_password(home: Path) -> None:
    with EmbeddedValkey(home) as server:
        address = urlsplit(server.url)
        assert address.hostname == "127.0.0.1"
        with Redis(host="127.0.0.1", port=address.port or 0) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        assert address.password
        files = [path for path in home.rglob("*") if path.is_file() and address.password in path.read_text()]
        assert {path.name for path in files} == {"password", "url", "valkey.conf"}
        assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_it_restarts_at_the_same_url_and_forgets_everything(home: Path) -> None:
    with EmbeddedValkey(home) as server, Redis.from_url(server.url) as client:
        url, before = server.url, servers(home)
        client.set("key", "value")
        server.restart()
        assert server.url == url
        assert servers(home) != before
        assert client.get("key") is None


def test_a_home_with_any_name_does(tmp_path: Path) -> None:
    with (
        EmbeddedValkey(tmp_path / "a folder, 100% 'odd' \"ünd\" \\ so") as server,
        Redis.from_url(server.url) as client,
    ):
        assert client.ping()


def test_the_url_of_one_that_never_ran_is_an_error(home: Path) -> None:
    with pytest.raises(UnavailableError, match="not running"):
        _ = EmbeddedValkey(home).url
