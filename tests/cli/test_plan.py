"""`plan` says what a number of photos takes, to people and to programs."""

import json

import pytest
from click.testing import CliRunner, Result

from cli.group import cleanplate


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REMOVAL_PRICE", "REMOVAL_RATE", "REMOVAL_CURRENCY"):
        monkeypatch.delenv(name, raising=False)


def planned(*words: str) -> Result:
    return CliRunner().invoke(cleanplate, ["plan", *words])


def test_it_answers_with_all_there_is_to_set_up() -> None:
    result = planned("--images", "10000000", "--rate", "50", "--latency", "2", "--price", "0.02")
    assert result.exit_code == 0
    told = ("days", "200,000.00 USD", "WORKER_CONCURRENCY=", "150 photos in flight", "PostgreSQL", "900 GB", "Redis")
    for word in told:
        assert word in result.output


def test_the_price_may_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "REMOVAL_PRICE is set" in planned("--images", "10").output
    monkeypatch.setenv("REMOVAL_PRICE", "0.5")
    assert "5.00 USD" in planned("--images", "10").output


def test_programs_get_one_object() -> None:
    told = json.loads(planned("--images", "1000", "--rate", "5", "--json").output)
    assert (told["images"], told["rate"], told["cost"], told["currency"]) == (1000, 5.0, None, "USD")
    assert told["processes"] >= 1


def test_what_one_server_cannot_do_is_said() -> None:
    assert "more than" not in planned("--images", "10", "--rate", "50").output
    told = planned("--images", "10", "--rate", "5000").output
    assert "connections, more than" in told
    assert "for Redis, more than" in told


@pytest.mark.parametrize("words", ["", "--images 0", "--images 1 --rate 0", "--images 1 --price -1"])
def test_what_cannot_be_is_refused(words: str) -> None:
    assert planned(*words.split()).exit_code == 2
