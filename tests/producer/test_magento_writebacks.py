"""Clean photos go back into a Magento shop with all that their entries say; the shop is a stand-in over HTTP."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from db import writeback_lists
from tests.producer.shop_ground import ShopGround, outputs_of, photo
from tests.shops.magento_standin import MagentoStandIn
from tests.shops.shop_server import Answer

RED, BLUE, CLEAN = photo("red"), photo("blue"), photo("white")
SKU = "24-MB/01"


class MagentoGround(ShopGround):
    """A Magento shop with a product of two photos."""

    shop: MagentoStandIn


@pytest.fixture(params=[True, False], ids=["renumbers", "keeps numbers"])
def ground(engine: Engine, request: pytest.FixtureRequest) -> Iterator[MagentoGround]:
    with outputs_of(engine) as outputs, MagentoStandIn(renumbers=request.param) as shop:
        shop.add_product(SKU, [RED, BLUE])
        made = MagentoGround(engine, shop, "magento", "t-1", outputs, "auto")
        made.tell(*shop.webhook(SKU))
        made.clean(CLEAN)
        yield made


def test_an_entry_keeps_its_roles_and_what_the_shop_tells_of_it_makes_no_job(ground: MagentoGround) -> None:
    ground.write()
    assert ground.rows("state, last_error") == [("written", None)] * 2
    assert [ground.shop.photo(SKU, n) for n in (0, 1)] == [CLEAN, CLEAN]
    first, second = ground.shop.galleries[SKU]
    assert (first["types"], first["label"], first["position"]) == (["image", "small_image", "thumbnail"], "text 0", 1)
    assert (second["types"], second["label"], second["position"]) == ([], "text 1", 2)
    assert ground.tell(*ground.shop.webhook(SKU)).jobs == 0
    with ground.engine.begin() as connection:
        assert writeback_lists.move(connection, 1, before=["written"], after="restoring", only_kept=True) == 2
    ground.write()
    assert [ground.shop.photo(SKU, n) for n in (0, 1)] == [RED, BLUE]
    assert ground.shop.galleries[SKU][0]["types"] == ["image", "small_image", "thumbnail"]
    assert ground.tell(*ground.shop.webhook(SKU)).jobs == 0


def test_what_is_lost_or_refused_is_found_out(ground: MagentoGround) -> None:
    ground.shop.faults = [Answer(is_lost=True, method="PUT"), Answer(503, {}, {"Retry-After": "1"})]
    ground.write()
    assert ground.rows() == [("written",), ("written",)]
    assert len(ground.shop.calls("PUT")) == 2


def test_a_product_that_is_gone_has_failed(ground: MagentoGround) -> None:
    ground.shop.galleries.clear()
    ground.write()
    assert ground.rows() == [("failed",), ("failed",)]
