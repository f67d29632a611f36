"""Passwords that are tried first are weak, however long; made ones never are."""

import secrets

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


def test_tokens_are_strong() -> None:
    for _ in range(1000):
        assert not weakness_of(secrets.token_urlsafe(SHORTEST), "cleanplate")
        assert not weakness_of(secrets.token_hex(SHORTEST), "cleanplate")
