"""What a shop's file needs to come out again is said before anything is paid for, and only where it is needed."""

from pathlib import Path
from typing import Any

import pytest

from cli.quoting import confirm
from cli.quoting.confirm import confirm as ask_before
from core.errors import Declined
from core.settings import Settings
from producer.catalogue.format import AS_IT_IS
from producer.intake import BatchOptions
from quote.clean_urls import missing_address

CATALOGUE = "sku,image_url\ns-1,https://shop.example/a.jpg\n"


def settings(**told: Any) -> Settings:
    return Settings(_env_file=None, **told)


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    path.write_text(CATALOGUE)
    return path


def test_a_shops_file_needs_an_address(catalogue: Path) -> None:
    told = missing_address(settings(), catalogue, AS_IT_IS)
    assert told.startswith("WEB_PUBLIC_URL is not set.")
    for given in ("web_public_url", "artifact_public_url"):
        assert not missing_address(settings(**{given: "https://clean.shop.example"}), catalogue, AS_IT_IS)


@pytest.mark.parametrize(
    ("name", "content"),
    [("urls.txt", "https://shop.example/a.jpg\n"), ("a.jsonl", '{"image_url": "https://shop.example/a.jpg"}\n')],
)
def test_a_list_of_photos_needs_none(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert not missing_address(settings(), tmp_path / name, AS_IT_IS)
    assert not missing_address(settings(), tmp_path, AS_IT_IS)
    assert not missing_address(settings(), "s3://bucket/products.csv", AS_IT_IS)


def test_it_is_asked_on_a_terminal_and_said_elsewhere(
    catalogue: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def decline(words: str, otherwise: str) -> None:
        asked.append(words)
        raise Declined(otherwise)

    monkeypatch.setattr(confirm, "ask", decline)

    def go(*, on_terminal: bool, yes: bool = False, **told: Any) -> None:
        monkeypatch.setattr(confirm, "on_terminal", lambda: on_terminal)
        ask_before(settings(**told), str(catalogue), None, BatchOptions(), yes=yes, over=100)

    with pytest.raises(Declined, match="Set WEB_PUBLIC_URL, and run"):
        go(on_terminal=True)
    assert asked == ["Go on without it?"]
    go(on_terminal=True, web_public_url="https://clean.shop.example")
    assert capsys.readouterr().err.count("WEB_PUBLIC_URL is not set") == 1
    go(on_terminal=True, yes=True)
    go(on_terminal=False)
    assert asked == ["Go on without it?"]
    assert capsys.readouterr().err.count("WEB_PUBLIC_URL is not set") == 2
