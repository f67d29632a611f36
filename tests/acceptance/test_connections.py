"""Connections and tokens are made, listed, changed and closed by commands; secrets are shown once."""

import re

from tests.acceptance.conftest import Cleanplate


def test_a_connection_lives(cleanplate: Cleanplate) -> None:
    made = cleanplate("connect", "shopify", "my-shop", WEBHOOK_SECRET="from-shopify")
    assert made.code == 0, made.err
    url = made.out.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/webhooks/[\w-]{24}", url)
    assert "from-shopify" not in made.out + made.err
    fresh = cleanplate("connect", "standard", "other", "--callback-url", "https://shop.example/told")
    assert fresh.err.count("whsec_") == 2
    listed = cleanplate("connections", "list")
    assert (url in listed.out, "from-shopify" in listed.out) == (True, False)
    assert "signs with a secret of its own" in cleanplate("connections", "rotate", "1").err
    assert cleanplate("connections", "rotate", "1", WEBHOOK_SECRET="another").code == 0
    assert "Secret (shown only once)" in cleanplate("connections", "rotate", "2").err
    assert cleanplate("connections", "close", "1").code == 0
    assert "no connection 1" in cleanplate("connections", "close", "1").err
    assert url not in cleanplate("connections", "list").out


def test_connections_that_could_not_work(cleanplate: Cleanplate) -> None:
    for arguments, words in (
        (("connect", "nobody", "x"), "nobody"),
        (("connect", "bigcommerce", "x"), "SHOP_API_TOKEN"),
        (("connect", "standard", "x", "--secret", "whsec_AAAA"), "lists of processes"),
        (("connect", "bigcommerce", "x", "--api-token", "x"), "lists of processes"),
        (("connect", "s3", "My shop"), "one bucket"),
        (("connect", "json", "x", "--match", "["), "regular expression"),
        (("connect", "json", "x", "--elements", "9"), "unknown element"),
        (("connect", "json", "x", "--callback-url", "nowhere"), "no http"),
    ):
        told = cleanplate(*arguments)
        assert (told.code, words in told.err) == (2, True), told.err


def test_a_token_lives(cleanplate: Cleanplate) -> None:
    made = cleanplate("token", "create", "ci", "--scope", "read")
    assert re.fullmatch(r"cp_[\w-]{43}", made.out.strip())
    listed = cleanplate("token", "list").out
    assert ("ci" in listed, "never used" in listed, made.out.strip() in listed) == (True, True, False)
    assert cleanplate("token", "revoke", "1").code == 0
    assert "no token 1" in cleanplate("token", "revoke", "1").err
