"""Clean photos go back into a Shopify shop, which takes its time and counts points; it is a stand-in over HTTP."""

import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db import writeback_lists
from tests.producer.shop_ground import ShopGround, outputs_of, photo
from tests.shops.shop_server import Answer
from tests.shops.shopify_standin import PRODUCT, ShopifyStandIn

RED, BLUE, CLEAN, THEIRS = photo("red"), photo("blue"), photo("white"), photo("green")


class ShopifyGround(ShopGround):
    """A Shopify shop with a product of two photos."""

    shop: ShopifyStandIn


@pytest.fixture
def ground(engine: Engine) -> Iterator[ShopifyGround]:
    with outputs_of(engine) as outputs, ShopifyStandIn() as shop:
        shop.add_photo(RED)
        shop.add_photo(BLUE)
        made = ShopifyGround(engine, shop, "shopify", "shpat_1", outputs, "auto")
        made.tell(*shop.webhook())
        made.clean(CLEAN)
        yield made


def test_a_file_keeps_its_id_and_what_the_shop_tells_of_it_makes_no_job(ground: ShopifyGround) -> None:
    assert ground.rows("media")[1] == ("gid://shopify/MediaImage/2",)
    ground.write()
    assert ground.rows("state, last_error") == [("written", None)] * 2
    assert [ground.shop.photo(n) for n in (0, 1)] == [CLEAN, CLEAN]
    assert ground.tell(*ground.shop.webhook()).jobs == 0
    with ground.engine.begin() as connection:
        assert writeback_lists.move(connection, 1, before=["written"], after="restoring", only_kept=True) == 2
    ground.write()
    assert [ground.shop.photo(n) for n in (0, 1)] == [RED, BLUE]
    assert ground.tell(*ground.shop.webhook()).jobs == 0
    assert ground.one("SELECT count(*) FROM jobs") == 2
    assert ground.one("SELECT api_points FROM connections") > 0


def test_a_shop_that_stores_photos_its_own_way_makes_no_circle(ground: ShopifyGround) -> None:
    ground.shop.recodes = lambda data: data + b"\x00"
    ground.write()
    assert ground.rows() == [("written",), ("written",)]
    assert ground.tell(*ground.shop.webhook()).jobs == 0
    assert ground.write() == 0
    with ground.engine.begin() as connection:
        writeback_lists.move(connection, 1, before=["written"], after="restoring")
    ground.write()
    assert ground.rows() == [("restored",), ("restored",)]


def test_a_photo_that_the_shop_got_after_a_pause_is_not_taken_for_ours(ground: ShopifyGround) -> None:
    ground.writer.write_due()
    ground.run("UPDATE writebacks SET answered_at = answered_at - interval '5 minutes' WHERE id = 1")
    ground.shop.looks_while_processing = 0
    ground.shop._product(PRODUCT)
    ground.shop._product(PRODUCT)
    ground.shop.change_photo(0, THEIRS)
    ground.write()
    assert ground.rows("state, written_key IS NULL")[0] == ("failed", True)
    assert "need not be ours" in ground.rows("last_error")[0][0]
    assert ground.shop.photo(0) == THEIRS


def test_what_a_shop_made_of_a_photo_is_kept_before_it_is_replaced(ground: ShopifyGround) -> None:
    ground.shop.recodes = lambda data: photo("ivory") if data == CLEAN else data
    ground.write()
    with ground.engine.begin() as connection:
        writeback_lists.move(connection, 1, before=["written"], after="restoring")
    ground.write()
    assert [ground.shop.photo(n) for n in (0, 1)] == [RED, BLUE]
    found = "SELECT count(*) FROM artifacts WHERE sha256 = :sha256"
    assert ground.one(found, sha256=hashlib.sha256(photo("ivory")).hexdigest()) == 1


def test_points_are_waited_for_before_they_are_missing(ground: ShopifyGround) -> None:
    ground.shop.size, ground.shop.restored = 60.0, 400.0
    ground.shop.spend(1000)
    ground.shop._left = 40.0
    ground.write()
    assert ground.rows() == [("written",), ("written",)]
    assert ground.shop.throttled == 0


def test_a_shop_that_has_no_points_left_is_asked_later_and_that_is_no_try(ground: ShopifyGround) -> None:
    ground.shop.restored = 0.5
    ground.shop._left = 0.0
    ground.writer.write_due()
    assert ground.shop.throttled == 1
    left = ground.one("SELECT extract(epoch FROM api_after - now()) FROM connections")
    assert left > 20
    assert ground.rows("state, tries") == [("due", 0)] * 2


def test_what_the_shop_cannot_use_has_failed_with_its_words(ground: ShopifyGround) -> None:
    ground.writer._ground.settings.__dict__["artifact_public_url"] = "http://127.0.0.1:9"
    ground.write()
    assert ground.rows() == [("failed",), ("failed",)]
    assert "could not be downloaded" in ground.rows("last_error")[0][0]
    assert [ground.shop.photo(n) for n in (0, 1)] == [RED, BLUE]
    ground.writer._ground.settings.__dict__["artifact_public_url"] = ground.outputs_url
    with ground.engine.begin() as connection:
        assert writeback_lists.move(connection, 1, before=["failed"], after="due") == 2
    ground.write()
    assert [ground.shop.photo(n) for n in (0, 1)] == [CLEAN, CLEAN]


def test_a_file_that_is_gone_has_failed_and_one_that_changed_is_left(ground: ShopifyGround) -> None:
    ground.shop.change_photo(0, THEIRS)
    del ground.shop.media[1]
    ground.write()
    assert ground.rows() == [("skipped",), ("failed",)]
    assert ground.shop.photo(0) == THEIRS


def test_a_token_without_the_right_to_write_files_pauses_the_shop(ground: ShopifyGround) -> None:
    ground.shop.has_write_files = False
    ground.write()
    assert "Access denied" in ground.one("SELECT writing_paused FROM connections")
    ground.shop.has_write_files = True
    with ground.engine.begin() as connection:
        writeback_lists.resume(connection, 1)
    ground.write()
    assert ground.rows() == [("written",), ("written",)]


def test_an_answer_that_was_lost_is_found_in_the_shop(ground: ShopifyGround) -> None:
    ground.shop.media = ground.shop.media[:1]
    ground.run("DELETE FROM writebacks WHERE id = 2")
    ground.shop.faults = [Answer(502, b"bad gateway"), Answer(is_lost=True)]
    ground.shop.faults[1].method = "POST"
    ground.write()
    assert ground.rows() == [("written",)]
    assert sum("fileUpdate" in each.body["query"] for each in ground.shop.calls()) <= 2
