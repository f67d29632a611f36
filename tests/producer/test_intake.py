"""Rows become a batch and its jobs: all or none, each photo once, and an unfinished batch goes on."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from core.errors import UsageError
from db import batches, tallies
from producer.catalogue.faults import faulty
from producer.catalogue.format import AS_IT_IS
from producer.catalogue.item import Item
from producer.intake import ANALYZED_FROM, BatchOptions, Intake, submit
from tests.db.rows import put


def items(*names: str) -> list[Item]:
    return [Item(uri=f"https://shop.example/{name}", name=name) for name in names]


def hand_in(engine: Engine, photos: list[Item], options: BatchOptions | None = None) -> Intake:
    with engine.begin() as connection:
        return submit(connection, photos, name="t", source="s", options=options or BatchOptions())


def test_each_distinct_photo_is_one_job_in_the_order_it_came(engine: Engine) -> None:
    assert hand_in(engine, items("b.jpg", "a.jpg", "b.jpg")) == Intake(1, 2, False)
    with engine.connect() as connection:
        assert list(connection.execute(text("SELECT name FROM jobs ORDER BY id")).scalars()) == ["b.jpg", "a.jpg"]


def test_one_photo_under_two_names_is_two_jobs(engine: Engine) -> None:
    photo = items("a.jpg")[0]
    assert hand_in(engine, [photo, replace(photo, name="b.jpg"), replace(photo, sku="7"), photo]).added == 2


def test_an_unfinished_batch_goes_on_and_takes_what_is_new(engine: Engine) -> None:
    hand_in(engine, items("a.jpg"))
    assert hand_in(engine, items("a.jpg", "b.jpg")) == Intake(1, 1, True)


def test_a_finished_batch_is_left_alone(engine: Engine) -> None:
    hand_in(engine, items("a.jpg"))
    with engine.begin() as connection:
        put(connection, "dead")
        batches.finish_settled(connection)
    assert hand_in(engine, items("a.jpg")) == Intake(2, 1, False)


def test_a_row_that_cannot_be_read_is_a_dead_job_and_the_others_run(engine: Engine) -> None:
    photos = [*items("a.jpg"), faulty(2, "urls.txt, line 2: 'x' is no URL."), faulty(3, "urls.txt, line 3: no")]
    found = hand_in(engine, photos)
    assert (found.added, found.faults, found.first_fault) == (3, 2, "urls.txt, line 2: 'x' is no URL.")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT state, code, message, name FROM jobs ORDER BY id")).all()
        counts = tallies.counts(connection, found.batch_id)
    assert [tuple(row) for row in rows] == [
        ("pending", None, None, "a.jpg"),
        ("dead", "unreadable_row", "urls.txt, line 2: 'x' is no URL.", "line 2"),
        ("dead", "unreadable_row", "urls.txt, line 3: no", "line 3"),
    ]
    assert (counts.pending, counts.dead) == (1, 2)
    assert hand_in(engine, photos).added == 0


def test_a_source_of_nothing_but_unreadable_rows_is_refused_with_the_first(engine: Engine) -> None:
    with pytest.raises(UsageError, match=r"No photo found in t\..*line 2: no"):
        hand_in(engine, [faulty(2, "line 2: no"), faulty(3, "line 3: no")])


def test_how_strictly_a_source_is_read_makes_no_other_batch(engine: Engine) -> None:
    hand_in(engine, items("a.jpg"))
    assert hand_in(engine, items("a.jpg"), BatchOptions(reading=replace(AS_IT_IS, is_strict=True))).resumed


def test_other_options_are_another_batch(engine: Engine) -> None:
    hand_in(engine, items("a.jpg"))
    assert not hand_in(engine, items("a.jpg"), BatchOptions(elements=(1,))).resumed


def test_a_row_may_have_its_own_elements(engine: Engine) -> None:
    row = Item(uri="https://shop.example/a.jpg", name="a.jpg", elements=(1,))
    other = Item(uri="https://shop.example/b.jpg", name="b.jpg", subject_elements=(2,))
    hand_in(engine, [row, other], BatchOptions(elements=(3, 4), subject_elements=(1, 2)))
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT elements, subject_elements FROM jobs ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [([1], [1]), ([3, 4], [2])]


def test_an_empty_source_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(UsageError, match="No photo"):
        hand_in(engine, [])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM batches")).scalar() == 0


def test_a_source_that_breaks_off_leaves_nothing(engine: Engine) -> None:
    def broken() -> Iterator[Item]:
        yield from items("a.jpg")
        raise UsageError("line 2")

    with pytest.raises(UsageError, match="line 2"), engine.begin() as connection:
        submit(connection, broken(), name="t", source="s", options=BatchOptions())
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 0


def test_limit(engine: Engine) -> None:
    assert hand_in(engine, items("a.jpg", "b.jpg", "c.jpg"), BatchOptions(limit=2)).added == 2


def test_a_photo_with_nothing_to_take_off_is_said(engine: Engine) -> None:
    photo = Item(uri="https://shop.example/a.jpg", name="a.jpg", elements=(), subject_elements=())
    with pytest.raises(UsageError, match="nothing to remove"):
        hand_in(engine, [photo])


def test_names_that_are_no_text_are_made_text(engine: Engine) -> None:
    hand_in(engine, [Item(uri="file:///a%FF.jpg", name="a\udcff.jpg", sku="x\0y")])
    with engine.connect() as connection:
        row = connection.execute(text("SELECT name, sku FROM jobs")).one()
    assert tuple(row) == ("a?.jpg", "x\ufffdy")


@pytest.mark.parametrize(("photos", "is_known"), [(ANALYZED_FROM - 1, False), (ANALYZED_FROM, True)])
def test_a_large_intake_is_known_to_the_planner_at_once(engine: Engine, photos: int, is_known: bool) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs SET (autovacuum_enabled = false)"))
    hand_in(engine, items(*(f"{number}.jpg" for number in range(photos))))
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT reltuples FROM pg_class WHERE relname = 'jobs'")).scalar_one()
    assert (rows == photos) is is_known
