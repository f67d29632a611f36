"""What a sample says of a batch, and who signed it."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from actions import samples
from actions.confidence import most_bad
from core.errors import NotFound, Refused, UsageError
from tests.db.rows import make_batch, put

KNOWN = [(50, 0, 0.0582), (50, 1, 0.0914), (100, 3, 0.0757), (20, 20, 1.0), (1, 0, 0.95)]
"""By tables of the one-sided bound of Clopper and Pearson at 95 %."""


@pytest.mark.parametrize(("size", "bad", "bound"), KNOWN)
def test_the_bound_is_that_of_the_tables(size: int, bad: int, bound: float) -> None:
    assert most_bad(size, bad) == pytest.approx(bound, abs=0.0001)


@given(st.integers(1, 300), st.data())
def test_the_bound_is_exact(size: int, data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, size - 1))
    share = most_bad(size, bad)
    chance = sum(comb(size, each) * share**each * (1 - share) ** (size - each) for each in range(bad + 1))
    assert chance == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize(("size", "bad", "confidence"), [(0, 0, 0.95), (5, 6, 0.95), (5, -1, 0.95), (5, 1, 1.0)])
def test_what_is_no_sample_has_no_bound(size: int, bad: int, confidence: float) -> None:
    with pytest.raises(UsageError):
        most_bad(size, bad, confidence)


def test_a_batch_is_signed_off_once_by_a_sample_of_its_clean_photos(engine: Engine) -> None:
    make_batch(engine, 100)
    with engine.begin() as connection:
        put(connection, "succeeded", "id <= 80")
        drawn = samples.draw(connection, "ann", 1, 20)
    assert (drawn.population, len(set(drawn.job_ids))) == (80, 20)
    assert set(drawn.job_ids) <= set(range(1, 81))
    with engine.begin() as connection, pytest.raises(UsageError):
        samples.sign_off(connection, "ann", drawn.id, [99])
    with engine.begin() as connection:
        signed = samples.sign_off(connection, "bob", drawn.id, drawn.job_ids[:1])
    told = samples.describe_sign_off(signed)
    assert told.startswith("Signed off by bob on 2")
    assert "20 of 80 clean photos checked, 1 bad: with 95% confidence at most 21.6% of all (17) are bad." in told
    with engine.begin() as connection, pytest.raises(Refused, match="already been signed off"):
        samples.sign_off(connection, "ann", drawn.id, [])
    with engine.connect() as connection:
        lines = connection.execute(text("SELECT actor, action, target FROM audit ORDER BY id")).all()
    assert [tuple(line) for line in lines] == [("ann", "draw sample", "batch 1"), ("bob", "sign off", "batch 1")]


def test_a_sample_is_drawn_at_random(engine: Engine) -> None:
    make_batch(engine, 200)
    with engine.begin() as connection:
        put(connection, "succeeded")
        drawn = [tuple(samples.draw(connection, "ann", 1, 10).job_ids) for _ in range(3)]
    assert len(set(drawn)) > 1


def test_there_is_something_to_draw_from(engine: Engine) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection:
        with pytest.raises(Refused):
            samples.draw(connection, "ann", 1, 5)
        with pytest.raises(UsageError):
            samples.draw(connection, "ann", 1, 0)
        with pytest.raises(NotFound):
            samples.sign_off(connection, "ann", 7, [])
