"""Photos and batches are found by what people have at hand, and nobody learns a secret by looking for it."""

import pytest
from sqlalchemy import Engine, text

from db import search
from db.search import FoundBy, SearchResult
from tests.db.believing import BELIEFS, Belief, believe
from tests.db.explaining import explained
from tests.db.rows import make_batch, put

SIGNED = "https://cdn.example/p/1/main.jpg?v=12&X-Amz-Signature=0123456789abcdef0123456789abcdef"
URLS = (
    SIGNED,
    "https://cdn.example/p/2/main.jpg",
    "https://ann:secret@cdn.example/p/3/ann.jpg",
    "https://cdn.example/image.php?id=12",
    "https://cdn.example/image.php?id=13",
    "https://cdn.example/t.jpg?v=" + "k" * 30,
)
MANY = 20_000
MOST_PASSED_OVER = 10_000
"""Of calls, those of a quarter of a megabyte are looked through, and the newest that are not summed up yet."""


@pytest.fixture
def photos(engine: Engine) -> Engine:
    """Make six photos of one batch, by their URLs, with products."""
    make_batch(engine, len(URLS))
    with engine.begin() as connection:
        for number, url in enumerate(URLS, 1):
            name = url.partition("?")[0].rpartition("/")[2]
            connection.execute(
                text("UPDATE jobs SET source_uri = :url, name = :name, sku = :sku WHERE id = :id"),
                {"url": url, "name": f"shoes/{name}", "sku": f"AB_{number}", "id": number},
            )
    return engine


def find(engine: Engine, told: str) -> SearchResult:
    with engine.connect() as connection:
        return search.find(connection, told)


def ids(engine: Engine, told: str) -> dict[str, list[int]]:
    return {group.by.value: group.ids for group in find(engine, told).groups}


def test_a_photo_is_found_by_its_product_its_name_its_number_and_its_request(photos: Engine) -> None:
    with photos.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO attempts (job_id, batch_id, lease_token, worker, sent_at, spend, request_id) "
                "VALUES (3, 1, gen_random_uuid(), 'w', now(), 'maybe', 'Request-3')"
            )
        )
    assert ids(photos, "ab_4") == {"sku": [4]}
    assert ids(photos, " AB_ ") == {"sku": [1, 2, 3, 4, 5, 6]}
    assert ids(photos, "MAIN") == {"name": [1, 2]}
    assert ids(photos, "shoes/ann.jpg") == {"name": [3]}
    assert ids(photos, "boots/ann.jpg") == {}
    assert ids(photos, "5") == ids(photos, "#5") == ids(photos, "job 5") == {"number": [5]}
    assert ids(photos, "Request-3") == {"request": [3]}
    assert ids(photos, "Request-") == {}


def test_nothing_that_is_typed_stands_for_anything_else(photos: Engine) -> None:
    for told in ("%", "_", "AB%", "ABx4", "\\", "", "\0", "' OR true --", "m*"):
        assert ids(photos, told) == {}, told


def test_a_url_is_found_with_and_without_its_signature(photos: Engine) -> None:
    anew = SIGNED.replace("0123456789abcdef0123456789abcdef", "f" * 32)
    for told in (SIGNED, anew, SIGNED.partition("?")[0], "cdn.example/p/1/main.jpg", SIGNED.replace("v=12&", "")):
        assert ids(photos, told) == {"url": [1]}, told
    assert ids(photos, "https://cdn.example/p/") == {"url": [1, 2]}
    assert ids(photos, "https://cdn.example/image.php?id=12") == {"url": [4]}
    assert ids(photos, "https://cdn.example/p/3/ann.jpg") == ids(photos, URLS[2]) == {"url": [3]}
    assert ids(photos, "file:///nowhere/9") == {}


def test_nobody_learns_a_secret_by_how_it_begins(photos: Engine) -> None:
    with photos.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET source_uri = :url WHERE id = 2"), {"url": SIGNED.replace("=0123", "=ffff")}
        )
    right = ids(photos, SIGNED.partition("=0123")[0] + "=01")
    wrong = ids(photos, SIGNED.partition("=0123")[0] + "=ff")
    assert right == wrong
    # A value that is short enough to be shown, of one that is not.
    assert ids(photos, URLS[5][:-20]) == ids(photos, URLS[5][:-22] + "x") == {"url": [6]}


def test_what_is_on_its_way_is_found_too(photos: Engine) -> None:
    with photos.begin() as connection:
        put(connection, "queued", "id = 1")
        put(connection, "running", "id = 2")
    assert ids(photos, "main") == {"name": [1, 2]}
    assert ids(photos, "AB_2") == {"sku": [2]}
    assert ids(photos, "https://cdn.example/p/2/main.jpg") == {"url": [2]}


def test_a_redo_is_found_as_its_photo(photos: Engine) -> None:
    with photos.begin() as connection:
        connection.execute(text("UPDATE jobs SET redo_of = 1 WHERE id = 2"))
    assert ids(photos, "main") == {"name": [1]}
    assert find(photos, "job 2").single == ("job", 2)


def test_what_is_found_alone_and_in_full_is_single(photos: Engine) -> None:
    assert find(photos, "ab_4").single == ("job", 4)
    assert find(photos, "ab_").single is None
    assert find(photos, "ann").single is None
    assert find(photos, "ann.jpg").single == ("job", 3)
    assert find(photos, "https://cdn.example/p/2/main.jpg").single == ("job", 2)
    assert find(photos, "test").single == ("batch", 1)
    # A batch and a photo have this number.
    assert find(photos, "1").single is None
    assert find(photos, "batch 1").single == ("batch", 1)


def test_a_batch_is_found_by_its_number_and_by_any_part_of_its_name(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO batches (name, source_key, lane, state, options) SELECT name, name, 'bulk', 'active', "
                "'{}' FROM unnest(ARRAY['Spring shoes', 'Autumn shoes', '100 % wool']) AS name"
            )
        )
    assert find(engine, "SHOES").batch_ids == [2, 1]
    assert find(engine, "spring").batch_ids == [1]
    assert find(engine, "%").batch_ids == [3]
    assert find(engine, "2").batch_ids == [2]


def test_no_more_is_told_than_a_thousand(engine: Engine) -> None:
    make_batch(engine, search.MOST_FOUND + 5)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET sku = 'S-' || id"))
    (group,) = find(engine, "S-").groups
    assert (group.by, len(group.ids), group.is_more) == (FoundBy.SKU, search.MOST_FOUND, True)


@pytest.mark.locks_anyhow
@pytest.mark.parametrize("belief", BELIEFS.values(), ids=BELIEFS.keys())
def test_no_search_reads_a_table_whatever_the_planner_believes(engine: Engine, belief: Belief) -> None:
    make_batch(engine, MANY)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET sku = 'S-' || id, source_uri = 'https://x.example/' || id"))
        connection.execute(
            text(
                "INSERT INTO attempts (job_id, batch_id, lease_token, worker, sent_at, spend, request_id) "
                "SELECT id, 1, gen_random_uuid(), 'w', now(), 'maybe', 'r' || id FROM jobs"
            )
        )
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM"))
    believe(engine, belief)
    for told in ("S-777", "777.jpg", "https://x.example/777", "777", "r777", "S-", "nothing"):

        def look(connection: object, told: str = told) -> object:
            return search.find(connection, told)  # type: ignore[arg-type]

        explained(engine, look)
        plans = explained(engine, look)
        assert len(plans) > 3
        for plan in plans:
            assert not plan.read_whole & {"jobs", "attempts"}, plan.statement
            assert plan.most_passed_over <= MOST_PASSED_OVER, plan.statement
        assert sum(plan.buffers for plan in plans) < 1_500, told
