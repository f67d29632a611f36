"""A word that hands somebody over counts once, for seconds, and only as it was signed."""

import pytest

from core.handover import SECONDS, Used, make_handover, read_handover

SECRET = "ops:a long password"
NOW = 1_000_000.0


@pytest.mark.parametrize("name", ["ann", "Zoë.x", "a b"])
def test_it_says_who_it_is(name: str) -> None:
    word = make_handover(SECRET, name, NOW)
    found = read_handover(SECRET, word, NOW + SECONDS - 1)
    assert found is not None
    assert found.name == name
    assert SECRET not in word


def test_it_counts_once() -> None:
    used = Used()
    words = [make_handover(SECRET, "ann", NOW) for _ in range(2)]
    for word in words:
        found = read_handover(SECRET, word, NOW)
        assert found is not None
        assert [used.use(found, NOW) for _ in range(2)] == [True, False]


def test_it_counts_for_seconds_only_and_under_one_secret() -> None:
    word = make_handover(SECRET, "ann", NOW)
    assert read_handover(SECRET, word, NOW + SECONDS + 1) is None
    assert read_handover(SECRET, word, NOW - 10 * SECONDS) is None
    assert read_handover("another", word, NOW) is None


@pytest.mark.parametrize("word", ["", ".", "...", "1.2.3.4", "x" * 5_000, "\ud800", "9.a.b.\u00e9"])
def test_what_is_made_up_is_refused(word: str) -> None:
    assert read_handover(SECRET, word, NOW) is None


@pytest.mark.parametrize("place", range(4))
def test_no_part_of_it_can_be_changed(place: int) -> None:
    parts = make_handover(SECRET, "ann", NOW).split(".")
    parts[place] = ("0" if parts[place][0] != "0" else "1") + parts[place][1:]
    assert read_handover(SECRET, ".".join(parts), NOW) is None
