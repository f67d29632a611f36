"""A publisher on a real broker."""

from collections.abc import Iterator

import pytest

from producer.publisher import Publisher


@pytest.fixture
def publisher(redis_url: str) -> Iterator[Publisher]:
    """Yield a publisher on an empty broker."""
    with Publisher(redis_url) as made:
        yield made
