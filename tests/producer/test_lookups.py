"""Products whose webhooks carry no photos: the shop's API is asked for them, again until it tells."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import Engine, text

from core.sealed import new_key, seal, unseal
from core.settings import Settings
from db import connections, lookups
from producer.webhooks.lookups import Asker


class ShopApi:
    """A shop's API that knows photos of products."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[tuple[str, str]] = []
        self.body: Any = {"data": []}
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked.append((self.path, self.headers["X-Auth-Token"]))
                body = api.body if isinstance(api.body, bytes) else json.dumps(api.body).encode()
                self.send_response(api.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/stores/abc"


@pytest.fixture
def api() -> Iterator[ShopApi]:
    made = ShopApi()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def note(engine: Engine, api: ShopApi) -> None:
    with engine.begin() as connection:
        options = {"api_url": api.url, "api_token": "t-1"}
        shop = connections.create(connection, platform="bigcommerce", shop="s", secret="s", options=options)
        lookups.note(connection, shop.id, "7")
        lookups.note(connection, shop.id, "7")


def asker(engine: Engine, allow: str = "127.0.0.1") -> Asker:
    return Asker(engine, Settings(_env_file=None, fetch_allow_private=allow))


def one(engine: Engine, statement: str) -> tuple[Any, ...]:
    with engine.connect() as connection:
        return tuple(connection.execute(text(statement)).one())


def test_photos_of_a_product_become_jobs(engine: Engine, api: ShopApi) -> None:
    note(engine, api)
    api.body = {
        "data": [
            {
                "url_zoom": "https://cdn.example/a.jpg",
                "url_standard": "https://cdn.example/small.jpg",
                "date_modified": "1",
            },
            {"url_standard": "https://cdn.example/b.jpg"},
            {"image_file": "c.jpg"},
        ]
    }
    assert asker(engine).ask_due() == 1
    assert asker(engine).ask_due() == 0
    assert api.asked == [("/stores/abc/v3/catalog/products/7/images?limit=250", "t-1")]
    with engine.connect() as connection:
        found = connection.execute(text("SELECT source_uri, sku FROM jobs ORDER BY id")).all()
    assert [tuple(row) for row in found] == [("https://cdn.example/a.jpg", "7"), ("https://cdn.example/b.jpg", "7")]
    assert one(engine, "SELECT lane FROM batches") == ("interactive",)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [(500, b"", "HTTP 500"), (401, b"", "HTTP 401"), (200, b"<html>", "not JSON"), (200, b" " * 3_000_000, "over")],
)
def test_it_is_asked_again_when_nothing_was_told(
    engine: Engine, api: ShopApi, status: int, body: bytes, why: str
) -> None:
    note(engine, api)
    api.status, api.body = status, body
    asker(engine).ask_due()
    tries, error, is_over = one(engine, "SELECT tries, last_error, ended_at IS NOT NULL FROM lookups")
    assert (tries, why in error, is_over) == (1, True, False)
    api.status, api.body = 200, {"data": [{"url_zoom": "https://cdn.example/a.jpg"}]}
    with engine.begin() as connection:
        connection.execute(text("UPDATE lookups SET available_at = now()"))
    asker(engine).ask_due()
    assert one(engine, "SELECT count(*) FROM jobs") == (1,)


def test_a_product_that_is_gone_is_not_asked_about_again(engine: Engine, api: ShopApi) -> None:
    note(engine, api)
    api.status = 404
    asker(engine).ask_due()
    assert one(engine, "SELECT ended_at IS NOT NULL FROM lookups") == (True,)


def test_private_addresses_are_not_asked(engine: Engine, api: ShopApi) -> None:
    note(engine, api)
    asker(engine, allow="").ask_due()
    assert "not a public address" in one(engine, "SELECT last_error FROM lookups")[0]
    assert api.asked == []


def test_a_closed_connection_is_not_asked_about(engine: Engine, api: ShopApi) -> None:
    note(engine, api)
    with engine.begin() as connection:
        connections.close(connection, 1)
    assert asker(engine).ask_due() == 0


def test_text_that_no_database_takes_is_taken(engine: Engine, api: ShopApi) -> None:
    note(engine, api)
    api.body = {"data": [{"url_zoom": "https://cdn.example/\ud800.jpg", "date_modified": "\ud800"}]}
    assert asker(engine).ask_due() == 1
    assert one(engine, "SELECT count(*) FROM jobs") == (1,)


def test_a_token_that_lies_open_is_sealed_at_its_next_use_and_works_as_before(engine: Engine, api: ShopApi) -> None:
    note(engine, api)
    key = new_key()
    settings = Settings(_env_file=None, fetch_allow_private="127.0.0.1", shop_token_key=key)
    assert Asker(engine, settings).ask_due() == 1
    (options,) = one(engine, "SELECT options FROM connections")
    assert "api_token" not in options
    assert unseal(key, options["sealed_api_token"]) == "t-1"
    with engine.begin() as connection:
        lookups.note(connection, 1, "8")
    assert Asker(engine, settings).ask_due() == 1
    assert [token for _, token in api.asked] == ["t-1", "t-1"]


def test_without_the_key_a_sealed_token_is_of_no_use_and_it_is_told_why(engine: Engine, api: ShopApi) -> None:
    note(engine, api)
    with engine.begin() as connection:
        connections.keep_sealed(connection, 1, "sealed_api_token", seal(new_key(), "t-1"), instead_of="api_token")
    assert asker(engine).ask_due() == 1
    tries, why = one(engine, "SELECT tries, last_error FROM lookups")
    assert (tries, "SHOP_TOKEN_KEY" in why) == (1, True)
