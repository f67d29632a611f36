"""Pages of a large batch: each found by an index, whatever is asked for."""

from sqlalchemy import Engine, text

from db import listings
from tests.db.reading import rows_read
from tests.db.rows import OUTPUT, keep_output, make_batch, put

MANY = 30_000
PAGE = 100
"""Photos on one. Ten times as many rows may be read: two pages are, with the attempts that belong to them."""


FILL = (
    "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, sku, elements, subject_elements, code, "
    "artifact_sha256, finished_at) SELECT 1, s, 'https://x.example/' || n, 'many ' || n, 'n', 'sku-' || n / 4, "
    "'{1}', '{1}', "
    "CASE s WHEN 'dead' THEN CASE WHEN n % 1000 = 0 THEN '801' ELSE '703' END WHEN 'succeeded' THEN '200' END, "
    "CASE s WHEN 'succeeded' THEN :output END, CASE WHEN s <> 'pending' THEN now() END FROM ("
    "SELECT n, CASE WHEN n % 10 = 0 THEN 'dead' WHEN n > :many * 0.9 THEN 'pending' ELSE 'succeeded' END AS s "
    "FROM generate_series(1, :many) AS n) AS made"
)


def test_no_page_of_a_large_batch_reads_much_more_than_it_shows(engine: Engine) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection:
        keep_output(connection)
        connection.execute(text(FILL), {"many": MANY, "output": OUTPUT})
    with engine.begin() as connection:
        connection.execute(text("ANALYZE jobs"))
    asked: list[dict[str, str]] = [
        {},
        {"state": "pending"},
        {"state": "dead"},
        {"state": "succeeded"},
        {"code": "801"},
        {"code": "200"},
        {"state": "dead", "code": "801"},
        {"sku": "sku-4000"},
        {"sku": "none"},
        {"state": "held"},
    ]
    for wanted in asked:
        before = rows_read(engine, "jobs")
        with engine.connect() as connection:
            page = listings.list_jobs(connection, 1, limit=PAGE, **wanted)  # type: ignore[arg-type]
            last = page[-1].id if page else 0
            later = listings.list_jobs(connection, 1, limit=PAGE, after=last, **wanted)  # type: ignore[arg-type]
        assert rows_read(engine, "jobs") - before <= 10 * PAGE, wanted
        assert bool(page) == (wanted not in [{"sku": "none"}, {"state": "held"}])
        ids = [row.id for row in [*page, *later]]
        assert ids == sorted(set(ids))
        for row in page:
            assert all(getattr(row, name) == value for name, value in wanted.items())


def test_pages_hold_every_job_once_in_order(engine: Engine) -> None:
    make_batch(engine, 7)
    with engine.begin() as connection:
        put(connection, "dead", "id IN (2, 5)", code="801")
        found: list[int] = []
        while page := listings.list_jobs(connection, 1, after=found[-1] if found else 0, limit=3):
            found += [row.id for row in page]
        assert found == [1, 2, 3, 4, 5, 6, 7]
        assert [row.id for row in listings.list_jobs(connection, 1, code="801")] == [2, 5]
        assert listings.list_jobs(connection, 2) == []
