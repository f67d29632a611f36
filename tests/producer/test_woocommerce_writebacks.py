"""Clean photos go back into a WooCommerce shop, once, and out again; the shop is a stand-in over HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from core.content import content_key
from core.settings import Settings
from db import writeback_lists, writebacks
from tests.producer.shop_ground import ShopGround, outputs_of, photo
from tests.shops.shop_server import Answer, Asked
from tests.shops.woocommerce_standin import WooCommerceStandIn

RED, BLUE, CLEAN, THEIRS = photo("red"), photo("blue"), photo("white"), photo("green")


class Woo(ShopGround):
    """A WooCommerce shop with a product of two photos."""

    shop: WooCommerceStandIn

    def told(self) -> Any:
        """Let the shop tell of its product."""
        return self.tell(*self.shop.webhook(7))


@pytest.fixture
def woo(engine: Engine) -> Iterator[Woo]:
    with outputs_of(engine) as outputs, WooCommerceStandIn() as shop:
        shop.add_product(7, [RED, BLUE])
        yield Woo(engine, shop, "woocommerce", "ck_1:cs_1", outputs, "auto")


def restore(ground: ShopGround) -> int:
    with ground.engine.begin() as connection:
        return writeback_lists.move(
            connection, ground.connection.id, before=["written"], after="restoring", only_kept=True
        )


def test_photos_go_into_the_shop_and_out_again_and_what_it_tells_of_them_makes_no_job(woo: Woo) -> None:
    assert woo.told().jobs == 2
    assert woo.rows("state, product, media") == [("expected", "7", "101"), ("expected", "7", "102")]
    woo.clean(CLEAN)
    assert woo.rows() == [("due",), ("due",)]
    woo.write()
    assert woo.rows("state, last_error") == [("written", None)] * 2
    assert [woo.shop.photo(7, n) for n in (0, 1)] == [CLEAN, CLEAN]
    images = woo.shop.products[7]["images"]
    assert [image["alt"] for image in images] == ["text 0", "text 1"]
    assert {101, 102} < set(woo.shop.library)
    puts = woo.shop.calls("PUT")
    assert [[sorted(image) for image in each.body["images"]] for each in puts] == [
        [["alt", "name", "src"], ["id"]],
        [["id"], ["alt", "name", "src"]],
    ]
    assert woo.told().jobs == 0
    assert restore(woo) == 2
    woo.write()
    assert woo.rows() == [("restored",), ("restored",)]
    assert [woo.shop.photo(7, n) for n in (0, 1)] == [RED, BLUE]
    assert woo.told().jobs == 0
    assert woo.one("SELECT count(*) FROM jobs") == 2
    assert woo.one("SELECT api_calls FROM connections") == len(woo.shop.calls())


def test_nothing_is_written_before_a_person_says_so(woo: Woo) -> None:
    woo.run("UPDATE connections SET writeback = 'ask'")
    woo.told()
    woo.clean(CLEAN)
    assert woo.write() == 0
    assert woo.rows() == [("clean",), ("clean",)]
    with woo.engine.begin() as connection:
        assert writeback_lists.move(connection, 1, before=["clean"], after="due", ids=[2]) == 1
    woo.write()
    assert woo.rows() == [("clean",), ("written",)]
    assert [woo.shop.photo(7, n) for n in (0, 1)] == [RED, CLEAN]


def test_nothing_is_written_into_a_shop_that_was_turned_off(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.run("UPDATE connections SET writeback = 'off'")
    assert woo.write() == 0
    assert [woo.shop.photo(7, n) for n in (0, 1)] == [RED, BLUE]


def test_what_a_person_let_go_is_what_goes_there(woo: Woo) -> None:
    woo.run("UPDATE connections SET writeback = 'ask'")
    woo.told()
    woo.clean(CLEAN)
    with woo.engine.begin() as connection:
        assert writeback_lists.move(connection, 1, before=["clean"], after="due") == 2
    woo.run("UPDATE jobs SET state = 'dead', artifact_sha256 = NULL, code = 'rejected'")
    woo.run("UPDATE jobs SET state = 'pending', finished_at = NULL")
    woo.clean(THEIRS)
    assert woo.rows() == [("clean",), ("clean",)]
    assert woo.write() == 0


def test_a_photo_that_changed_in_the_shop_is_not_overwritten(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.shop.change_photo(7, 0, THEIRS)
    path = woo.shop.products[7]["images"][1]["src"].removeprefix(woo.shop.url)
    woo.shop.files[path] = THEIRS
    woo.write()
    assert woo.rows() == [("failed",), ("skipped",)]
    assert "no longer has this photo" in woo.rows("last_error")[0][0]
    assert woo.shop.calls("PUT") == []
    assert woo.shop.photo(7, 0) == THEIRS


def test_a_restore_does_not_overwrite_what_the_shop_has_by_now(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.write()
    path = woo.shop.products[7]["images"][0]["src"].removeprefix(woo.shop.url)
    woo.shop.library[103]["date_modified_gmt"] = "2026-02-02T03:04:05"
    woo.shop.files[path] = THEIRS
    restore(woo)
    woo.write()
    assert woo.rows() == [("skipped",), ("restored",)]
    assert woo.shop.photo(7, 0) == THEIRS


def test_a_write_whose_answer_was_lost_is_not_made_again(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.shop.faults = [Answer(500, b"<html>", method="GET"), Answer(is_lost=True, method="PUT")]
    woo.write()
    assert woo.rows("state, tries") == [("written", 0), ("written", 0)]
    assert len(woo.shop.calls("PUT")) == 2
    assert len(woo.shop.library) == 4


def test_a_photo_that_the_shop_cannot_fetch_leaves_the_product_as_it_was(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.writer._ground.settings.__dict__["artifact_public_url"] = "http://127.0.0.1:9"
    woo.write()
    assert woo.rows() == [("failed",), ("failed",)]
    assert "woocommerce_product_image_upload_error" in woo.rows("last_error")[0][0]
    assert [woo.shop.photo(7, n) for n in (0, 1)] == [RED, BLUE]


def test_a_pause_that_the_shop_asks_for_is_kept_and_is_no_try(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.shop.faults = [Answer(429, {"code": "too_many"}, {"Retry-After": "90"})]
    assert woo.writer.write_due() == 1
    assert woo.writer.write_due() == 0
    left = woo.one("SELECT extract(epoch FROM api_after - now()) FROM connections")
    assert 80 < left <= 90
    assert woo.rows("state, tries, last_error") == [("due", 0, None)] * 2
    assert len(woo.shop.calls()) == 1


def test_a_token_that_is_refused_pauses_the_shop_and_is_never_shown(woo: Woo, caplog: pytest.LogCaptureFixture) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.shop._key = "another"
    woo.write()
    assert woo.rows() == [("due",), ("due",)]
    assert "refuses the token: HTTP 401" in woo.one("SELECT writing_paused FROM connections")
    assert "cs_1" not in caplog.text
    assert "cs_1" not in woo.one("SELECT sealed_token FROM connections")
    woo.shop._key = "ck_1:cs_1"
    with woo.engine.begin() as connection:
        assert writeback_lists.resume(connection, 1)
    woo.write()
    assert woo.rows() == [("written",), ("written",)]


def test_what_the_shop_tells_while_it_is_written_is_looked_at_after(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.writer.write_due()
    assert woo.rows("sent_at IS NOT NULL, answered_at IS NOT NULL")[0] == (True, True)
    # Both its own echo and a photo that somebody added: neither is taken in by now.
    woo.shop.products[7]["images"].append(woo.shop._attach("new.png", THEIRS, alt="new"))
    assert woo.told().jobs == 0
    woo.write()
    assert woo.one("SELECT count(*) FROM jobs") == 3
    assert woo.one("SELECT source_uri FROM jobs WHERE id = 3").endswith("new.png")
    assert woo.one("SELECT count(*) FROM shop_products") == 0
    assert woo.told().jobs == 0


def test_a_photo_that_is_made_again_goes_there_again(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.write()
    better = photo("grey")
    woo.run("UPDATE jobs SET state = 'dead', artifact_sha256 = NULL, code = 'rejected' WHERE id = 1")
    woo.run("UPDATE jobs SET state = 'pending', finished_at = NULL WHERE id = 1")
    woo.clean(better)
    assert woo.rows() == [("due",), ("written",)]
    woo.write()
    assert [woo.shop.photo(7, n) for n in (0, 1)] == [better, CLEAN]
    restore(woo)
    woo.write()
    assert [woo.shop.photo(7, n) for n in (0, 1)] == [RED, BLUE]


def test_a_photo_that_was_cleaned_before_goes_in_without_a_job(woo: Woo) -> None:
    woo.run("UPDATE connections SET writeback = 'off'")
    woo.told()
    woo.clean(CLEAN)
    assert woo.rows() == [("clean",), ("clean",)]
    assert woo.write() == 0


def test_a_shop_that_says_yes_and_shows_the_old_photo_is_not_asked_for_ever(woo: Woo) -> None:
    woo.shop.products[7]["images"].pop()
    woo.told()
    woo.clean(CLEAN)
    woo.shop.faults = [Answer(body=woo.shop.products[7], method="PUT") for _ in range(20)]
    for _ in range(20):
        woo.writer.write_due()
        woo.run("UPDATE writebacks SET answered_at = answered_at - interval '3 minutes', available_at = now()")
    assert woo.rows() == [("failed",)]
    assert "shows the old photo" in woo.rows("last_error")[0][0]
    assert len(woo.shop.calls("PUT")) == 4


def test_two_writers_write_a_shop_one_at_a_time(woo: Woo, engine: Engine) -> None:
    woo.told()
    woo.clean(CLEAN)
    with engine.begin() as one, engine.begin() as other:
        assert len(writebacks.take_due(one, 4)) == 1
        assert writebacks.take_due(other, 4) == []
    with engine.begin() as other:
        assert writebacks.take_due(other, 4) == []


def test_a_photo_that_stands_in_two_products_goes_into_both(woo: Woo) -> None:
    woo.shop.add_product(8, [])
    shared = woo.shop.products[7]["images"][0]
    woo.shop.products[8]["images"] = [shared]
    assert woo.told().jobs == 2
    assert woo.tell(*woo.shop.webhook(8)).jobs == 0
    assert woo.rows("product, job_id") == [("7", 1), ("7", 2), ("8", 1)]
    woo.clean(CLEAN)
    woo.write()
    assert woo.rows() == [("written",)] * 3
    assert [woo.shop.photo(7, 0), woo.shop.photo(8, 0)] == [CLEAN, CLEAN]
    restore(woo)
    woo.write()
    assert [woo.shop.photo(7, 0), woo.shop.photo(8, 0)] == [RED, RED]


def test_a_photo_that_was_written_before_another_product_got_it_goes_there_too(woo: Woo) -> None:
    woo.told()
    shared = dict(woo.shop.products[7]["images"][0])
    woo.clean(CLEAN)
    woo.write()
    woo.shop.add_product(8, [])
    woo.shop.products[8]["images"] = [woo.shop.library[shared["id"]]]
    assert woo.tell(*woo.shop.webhook(8)).jobs == 0
    woo.write()
    assert woo.rows("product, state") == [("7", "written"), ("7", "written"), ("8", "written")]
    assert woo.shop.photo(8, 0) == CLEAN


def test_a_photo_that_stands_twice_in_a_product_goes_into_both_places(woo: Woo) -> None:
    first = woo.shop.products[7]["images"][0]
    again = woo.shop._attach("copy.png", RED, alt="the same again")
    again["src"] = first["src"]
    woo.shop.products[7]["images"] = [first, again]
    assert woo.told().jobs == 1
    woo.clean(CLEAN)
    woo.write()
    assert woo.rows("media, state") == [("104", "written"), ("105", "written")]
    assert [woo.shop.photo(7, n) for n in (0, 1)] == [CLEAN, CLEAN]


def while_it_is_looked_at(woo: Woo, *, reading: int, do: Callable[[], object]) -> None:
    """Do something right after the shop answered so many questions about a product."""
    answer, count = woo.shop.answer, [0]

    def answer_then(asked: Asked) -> Answer:
        found = answer(asked)
        count[0] += asked.method == "GET"
        if asked.method == "GET" and count[0] == reading:
            # What was answered is what stood there before.
            found = Answer(body=json.loads(json.dumps(found.body)))
            do()
        return found

    woo.shop.answer = answer_then  # type: ignore[method-assign]


def test_a_product_that_is_edited_between_the_look_and_the_write_loses_nothing(woo: Woo) -> None:
    woo.told()
    woo.clean(CLEAN)
    added = woo.shop._attach("new.png", THEIRS, alt="new")
    while_it_is_looked_at(woo, reading=1, do=lambda: woo.shop.products[7]["images"].append(added))
    assert woo.writer.write_due() == 1
    assert woo.shop.calls("PUT") == []
    assert woo.rows("state, tries, sent_at")[0] == ("due", 0, None)
    left = woo.one("SELECT max(extract(epoch FROM available_at - now())) FROM writebacks")
    assert 1 < left <= 2
    woo.write()
    assert [woo.shop.photo(7, n) for n in (0, 1, 2)] == [CLEAN, CLEAN, THEIRS]


@pytest.mark.parametrize(
    "statement", ["UPDATE connections SET writeback = 'off'", "UPDATE connections SET closed_at = now()"]
)
def test_what_is_turned_off_while_the_product_is_looked_at_is_not_written(woo: Woo, statement: str) -> None:
    woo.told()
    woo.clean(CLEAN)
    while_it_is_looked_at(woo, reading=1, do=lambda: woo.run(statement))
    assert woo.writer.write_due() == 1
    assert woo.shop.calls("PUT") == []
    assert woo.rows("state, sent_at") == [("due", None)] * 2
    assert woo.one("SELECT count(*) FROM shop_products") == 0


def test_a_photo_that_is_made_again_while_the_product_is_looked_at_is_not_written_as_it_was(woo: Woo) -> None:
    woo.run("UPDATE connections SET writeback = 'ask'")
    woo.told()
    woo.clean(CLEAN)
    with woo.engine.begin() as connection:
        writeback_lists.move(connection, 1, before=["clean"], after="due", ids=[1])

    def again() -> None:
        woo.run("UPDATE jobs SET state = 'dead', artifact_sha256 = NULL, code = 'rejected' WHERE id = 1")
        woo.run("UPDATE jobs SET state = 'pending', finished_at = NULL WHERE id = 1")
        woo.clean(photo("grey"))

    while_it_is_looked_at(woo, reading=1, do=again)
    woo.write()
    assert woo.shop.calls("PUT") == []
    assert woo.rows() == [("clean",), ("clean",)]


def test_what_was_sent_and_is_withdrawn_loses_no_news_of_the_product(woo: Woo) -> None:
    woo.shop.products[7]["images"].pop()
    woo.told()
    woo.clean(CLEAN)
    woo.shop.faults = [Answer(body=woo.shop.products[7], method="PUT")]
    woo.writer.write_due()
    woo.run("UPDATE writebacks SET answered_at = answered_at - interval '3 minutes'")
    woo.shop.products[7]["images"].append(woo.shop._attach("new.png", THEIRS, alt="new"))
    assert woo.told().jobs == 0
    woo.run("UPDATE connections SET writeback = 'off'")
    woo.write()
    assert woo.rows("state, sent_at") == [("clean", None), ("expected", None)]
    assert woo.one("SELECT count(*) FROM shop_products") == 0
    assert woo.one("SELECT count(*) FROM jobs") == 2
    assert len(woo.shop.calls("PUT")) == 1


@pytest.mark.parametrize("state", ["due", "expected"])
def test_a_verdict_at_the_very_moment_a_place_is_noted_is_seen(woo: Woo, engine: Engine, state: str) -> None:
    woo.told()
    woo.clean(CLEAN)
    woo.run("DELETE FROM writebacks")
    good = "state = 'succeeded', code = '200', artifact_sha256 = (SELECT sha256 FROM artifacts LIMIT 1)"
    bad = "state = 'dead', code = 'rejected', artifact_sha256 = NULL"
    before, after = (bad, good) if state == "due" else (good, bad)
    woo.run(f"UPDATE jobs SET {before}")
    woo.run("DELETE FROM deliveries")
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE jobs SET {after}"))
            taken = pool.submit(woo.told)
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            while not taken.done() and not woo.one(waiting):
                time.sleep(0.01)
        assert taken.result().jobs == 0
    assert woo.rows() == [(state,), (state,)]


@pytest.mark.parametrize("strips", [False, True])
def test_a_photo_that_was_cleaned_with_metadata_is_made_anew_for_a_shop_that_wants_none(woo: Woo, strips: bool) -> None:
    woo.told()
    woo.clean(CLEAN)
    key = text("UPDATE jobs SET content_key = :key WHERE source_sha256 = :sha256")
    with woo.engine.begin() as connection:
        for sha256 in connection.execute(text("SELECT source_sha256 FROM jobs")).scalars().all():
            provider = Settings(_env_file=None).provider
            values = {"key": content_key(provider, sha256, (1,), (1,), None), "sha256": sha256}
            connection.execute(key, values)
    woo.run("UPDATE jobs SET started_at = now() + interval '1 hour'")
    woo.run("DELETE FROM writebacks")
    woo.run("DELETE FROM seen_photos")
    woo.run("DELETE FROM deliveries")
    options = dict(woo.connection.options) | ({"strip_metadata": True} if strips else {})
    woo.connection = replace(woo.connection, options=options)
    woo.run("UPDATE batches SET source_key = 'another day'")
    assert woo.told().jobs == (2 if strips else 0)
    assert woo.rows("job_id, state") == ([(3, "expected"), (4, "expected")] if strips else [(1, "due"), (2, "due")])
