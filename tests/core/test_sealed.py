"""Secrets of others are stored so that only a key opens them that is not stored with them."""

import pytest

from core.errors import UsageError
from core.sealed import new_key, seal, unseal


def test_only_the_key_opens_what_it_sealed() -> None:
    old, new = new_key(), new_key()
    sealed = seal(old, "token")
    assert "token" not in sealed
    assert unseal(old, sealed) == "token"
    assert unseal(f"{new}, {old}", sealed) == "token"
    with pytest.raises(UsageError, match="is not the key"):
        unseal(new, sealed)


@pytest.mark.parametrize(("keys", "words"), [("", "is not set"), (" , ", "is not set"), ("short", "no key")])
def test_without_a_key_nothing_is_sealed_and_it_says_how_to_make_one(keys: str, words: str) -> None:
    with pytest.raises(UsageError, match=f"{words}.*writeback new-key"):
        seal(keys, "token")
