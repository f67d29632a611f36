"""Passwords that are tried first are weak, however long; made ones never are."""

import random
import secrets
import time
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.password_strength import SHORTEST, weakness_of


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("", "missing"),
        ("x8Kq2mPz7Ra", "shorter than 12"),
        ("change-me", "shorter than 12"),
        ("postgres", "shorter than 12"),
        ("aaaaaaaaaaaaaaaa", "different characters"),
        ("121212121212", "different characters"),
        ("change-me-please", "tried first"),
        ("Cleanplate-2026", "tried first"),
        ("postgrespostgres", "tried first"),
        ("password1234", "tried first"),
        ("123456789012", "tried first"),
        ("my_secret_password!", "tried first"),
        ("Annabel.Annabel", "tried first"),
        ("ANNABEL", "shorter than 12"),
        ("password123456", "tried first"),
        ("cleanplate12345", "tried first"),
        ("postgres12345!", "tried first"),
        ("changeme123456", "tried first"),
        ("qwerty123456", "tried first"),
        ("admin1234567", "tried first"),
        ("letmein123456", "tried first"),
        ("1q2w3e4r5t6y", "tried first"),
        ("P@ssw0rd1234", "tried first"),
        ("123456123456", "tried first"),
        ("abcdefghijkl", "tried first"),
        ("administrator", "tried first"),
        ("Adm1ni$trat0r", "tried first"),
        ("pass@word@2026", "tried first"),
        ("p-a-s-s-w-o-r-d-1", "tried first"),
        ("password24122026", "tried first"),
        ("1234567890123456789012345", "tried first"),
        ("98765432109876", "tried first"),
        ("!QAZ@WSX1qaz2wsx", "tried first"),
        ("qazwsxedcrfv", "tried first"),
        ("qweasdzxc123", "tried first"),
        ("zyxwvutsrqpo", "tried first"),
        ("asdfghjkl123", "tried first"),
        ("poiuytrewq99", "tried first"),
        ("secret1111111111", "tried first"),
        ("4nn4bel-20261130", "tried first"),
        ("qazwsxedcrfvtgb", "tried first"),
        ("abc123xyz789", "tried first"),
        ("1q2w3e4r5t6y7u8i9o0p", "tried first"),
        ("qazwsxedcrfvtgbyhnujm", "tried first"),
        ("zaq12wsxcde3", "tried first"),
        ("q1w2e3r4t5y6", "tried first"),
        ("a1b2c3d4e5f6", "tried first"),
        ("112233445566", "tried first"),
        ("admin" * 11, "tried first"),
        ("password" * 10 + "123", "tried first"),
        ("PasswordP@sswordpa55word20240101", "tried first"),
    ],
)
def test_what_is_tried_first_is_weak(password: str, told: str) -> None:
    assert told in weakness_of(password, "annabel")


def test_a_name_is_no_password_of_its_own() -> None:
    assert "name" in weakness_of("warehouse-of-berlin", "Warehouse-of-Berlin")
    assert not weakness_of("warehouse-of-berlin", "ann")


@pytest.mark.parametrize("password", ["correct horse battery", "a spaced pass phrase", "not-to-be-told-3"])
def test_phrases_are_strong(password: str) -> None:
    assert not weakness_of(password, "ann")


@given(st.binary(min_size=16, max_size=32), st.text(max_size=12))
def test_what_a_generator_makes_is_strong(drawn: bytes, name: str) -> None:
    made = drawn.hex()
    # A generator does not give one of few letters; what is drawn here may be.
    if len(set(made)) > 8 and name.lower() != made and sum(each.isalpha() for each in made) > 5:
        assert not weakness_of(made, "cleanplate", name if len(name) > 4 else "")


MANY = 10_000
WORDS = """acid acorn album amber anchor apple arrow autumn bakery barrel basket beacon berry bishop blanket bottle
bridge bronze butter button cabin candle canyon carpet castle cherry circle copper cotton cradle crystal dancer desert
dinner doctor donkey dress engine fabric feather forest garden ginger guitar hammer harbor island jacket jungle
kettle ladder lantern lemon marble meadow mirror needle novel ocean orange oyster paddle pencil pepper pillow planet
pocket puzzle rabbit ribbon river rocket saddle sailor secret shadow silver spider spoon stone summer table temple test
thunder timber tunnel turtle valley velvet violin wagon walnut water window winter yellow zipper"""
PHRASE_WORDS = WORDS.split()


@pytest.mark.parametrize(
    "make",
    [
        lambda: secrets.token_hex(16),
        lambda: secrets.token_hex(SHORTEST),
        lambda: secrets.token_urlsafe(SHORTEST),
        lambda: secrets.token_urlsafe(16),
        lambda: str(uuid.uuid4()),
        lambda: "-".join(random.sample(PHRASE_WORDS, 4)),
        lambda: " ".join(random.sample(PHRASE_WORDS, 4)).title() + "!",
    ],
    ids=["hex", "short hex", "short base64url", "base64url", "uuid", "phrase", "Phrase!"],
)
def test_made_ones_are_strong(make: Callable[[], str]) -> None:
    for password in (make() for _ in range(MANY)):
        assert not weakness_of(password, "cleanplate", "annabel"), password


@pytest.mark.parametrize(
    "password",
    [
        "we test nothing on sundays",
        "this-is-only-a-test-12345",
        "my password is kept at home",
        "asdf walks the dog",
        "73910468257193",
        "were-those-trees-red-2026",
        # Made by chance: three short lines and digits, and walks from key to key.
        "53tGB12T_SrjjJ_3",
        "secret-user-dress-desert",
    ],
)
def test_a_weak_word_among_others_is_no_harm(password: str) -> None:
    assert not weakness_of(password, "annabel")


def test_a_very_long_one_is_looked_at_in_proportion() -> None:
    def took(password: str) -> float:
        began = time.process_time()
        weakness_of(password, "annabel")
        return time.process_time() - began

    # In proportion is twenty times as long; a square is four hundred times.
    for part in ("password", "1234567890", "1q2w3e4r", "abcdefghij", "aaaaabcdef", "@$@$@$@$12"):
        assert took(part * 1000) < 60 * max(took(part * 50), 0.01), part
