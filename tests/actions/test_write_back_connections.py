"""A shop into which photos go back: what it needs is asked for at once, and its token is shown to nobody."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from actions import connections
from core.errors import UsageError
from core.sealed import new_key, unseal
from producer.webhooks.shop_intake import options_of

KEY = new_key()
TOLD: dict[str, Any] = {
    "platform": "shopify",
    "shop": "s",
    "elements": [1],
    "api_url": "https://s.myshopify.com/",
    "api_token": "shpat_1",
    "writeback": "ask",
    "token_keys": KEY,
    "outputs_url": "https://clean.example/artifacts",
}


def test_its_token_is_stored_sealed_and_shown_nowhere(engine: Engine) -> None:
    with engine.begin() as connection:
        made = connections.connect(connection, "ann", **TOLD)
    assert (made.shop.writeback, made.shop.options["api_url"]) == ("ask", "https://s.myshopify.com")
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM connections")).one()
        audited = connection.execute(text("SELECT * FROM audit")).one()
    assert unseal(KEY, row.sealed_token) == "shpat_1"
    assert "shpat_1" not in f"{row} {audited} {made!r} {made.shop!r}"
    assert str(row.sealed_token) not in f"{made!r} {made.shop!r}"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"platform": "json"}, "magento, shopify, woocommerce only"),
        ({"api_url": None}, "needs the shop's address"),
        ({"api_url": "http://s.myshopify.com"}, "https://"),
        ({"api_token": " "}, "needs the shop's address"),
        ({"token_keys": ""}, "SHOP_TOKEN_KEY is not set"),
        ({"outputs_url": ""}, "WEB_PUBLIC_URL"),
        ({"writeback": "maybe"}, "off, ask or auto"),
    ],
)
def test_what_could_not_work_is_refused(engine: Engine, other: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words), engine.begin() as connection:
        connections.connect(connection, "ann", **(TOLD | other))


def test_magento_takes_bytes_and_needs_no_address_of_ours(engine: Engine) -> None:
    with engine.begin() as connection:
        connections.connect(connection, "ann", **(TOLD | {"platform": "magento", "outputs_url": ""}))


def test_a_shop_may_want_outputs_without_metadata(engine: Engine) -> None:
    with engine.begin() as connection:
        made = connections.connect(connection, "ann", **TOLD, strip_metadata=True)
    assert made.shop.options["strip_metadata"] is True
    assert options_of(made.shop).strip_metadata


def test_what_reads_products_is_stored_sealed_too(engine: Engine) -> None:
    told = {"platform": "bigcommerce", "api_url": "https://api.bigcommerce.com/stores/abc", "writeback": "off"}
    with engine.begin() as connection:
        connections.connect(connection, "ann", **(TOLD | told))
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM connections")).one()
    assert unseal(KEY, row.options["sealed_api_token"]) == "shpat_1"
    assert "shpat_1" not in str(row)
    with engine.begin() as connection, pytest.raises(UsageError, match="SHOP_TOKEN_KEY is not set"):
        connections.connect(connection, "ann", **(TOLD | told | {"token_keys": ""}))
