"""Settings come from the environment, are checked, and never show a secret."""

from pathlib import Path

import pytest

from core.errors import UsageError
from core.settings import AIDGE_GATEWAY, Settings, load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_a_key_the_sandbox_is_called() -> None:
    settings = load_settings()
    assert settings.uses_sandbox
    assert settings.api_url == ""


def test_with_a_key_the_gateway_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_API_KEY", "k")
    settings = load_settings()
    assert not settings.uses_sandbox
    assert settings.api_url == AIDGE_GATEWAY


def test_dot_env_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REMOVAL_RATE=12.5\nSOMETHING_ELSE=1\n")
    assert load_settings().removal_rate == 12.5


@pytest.mark.parametrize(
    ("name", "value"),
    [("REMOVAL_RATE", "fast"), ("REMOVAL_RATE", "0"), ("WORKER_PROCESSES", "-1"), ("ON_MAYBE_BILLED", "shrug")],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=name):
        load_settings()


def test_the_secret_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_API_SECRET", "tell-no-one")
    settings = load_settings()
    assert "tell-no-one" not in repr(settings)
    assert "tell-no-one" not in settings.model_dump_json()
    assert settings.api_secret == "tell-no-one"


@pytest.mark.parametrize(
    ("url", "key", "provider"),
    [
        ("", "", "sandbox"),
        ("", "k", "aidc-ai.com"),
        ("https://cn-api.aidc-ai.com/rest/x", "k", "aidc-ai.com"),
        ("http://127.0.0.1:8080/x", "k", "127.0.0.1"),
        ("http://[::1]:8080/x", "k", "::1"),
        ("http://127.0.0.1:8080/x", "sandbox", "sandbox"),
    ],
)
def test_who_made_an_output(monkeypatch: pytest.MonkeyPatch, url: str, key: str, provider: str) -> None:
    monkeypatch.setenv("REMOVAL_API_URL", url)
    monkeypatch.setenv("REMOVAL_API_KEY", key)
    assert load_settings().provider == provider


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("clean.internal", "http://clean.internal:8080"),
    ],
)
def test_where_the_console_is_reached(host: str, url: str) -> None:
    assert Settings(_env_file=None, web_host=host).web_url == url


@pytest.mark.parametrize(
    ("told", "is_free"),
    [
        ({}, True),
        ({"removal_api_url": "http://127.0.0.1:9000/"}, True),
        ({"removal_api_key": "sandbox", "removal_api_url": "http://sandbox:9000/"}, True),
        ({"removal_api_key": "key"}, False),
        ({"removal_api_key": "key", "removal_api_url": "http://127.0.0.1:9000/"}, False),
    ],
)
def test_calls_are_free_that_are_signed_for_the_sandbox(told: dict[str, str], is_free: bool) -> None:
    assert Settings(_env_file=None, **told).is_free == is_free  # type: ignore[arg-type]
