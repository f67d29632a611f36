"""What Redis remembers of calls: kept for when the database that has their rows goes back to a backup."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

from redis import Redis, RedisError

from core.called import Called
from removal.limiter.bucket import memos_key
from removal.limiter.errors import LimiterUnavailable

NEWEST = 256
"""Among so many is the newest one, in whatever order slots were given out."""
SETTLED_SECONDS = 3.0
"""A call that is younger may still be told to be none."""
TIMEOUT_SECONDS = 5.0


def memo_of(attempt_id: int, job_id: int, home: str) -> str:
    """Return what is remembered of a call, with whose it was: numbers mean something in one database only."""
    return f"{attempt_id} {job_id} {home}"


class CallMemory:
    """Reads what is remembered.

    Args:
        redis_url: The limiter's.
        account: Whose calls say whether the database is behind.
    """

    def __init__(self, redis_url: str, account: str) -> None:
        self._account = account
        self._client = Redis.from_url(redis_url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def newest_attempt(self, home: str) -> int:
        """Return the highest number of a call that an installation made; 0 when nothing is remembered.

        Raises:
            LimiterUnavailable: Redis does not answer.
        """
        return max((each.attempt_id for each in self._read(memos_key(self._account), home, NEWEST)), default=0)

    def list_called(self, home: str) -> list[Called]:
        """Return all calls of an installation, for whatever account, that are remembered, the oldest first.

        Raises:
            LimiterUnavailable: Redis does not answer.
        """
        try:
            keys = [key.decode() for key in self._client.scan_iter(match=memos_key("*").replace("{", "[{]"))]
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(f"the limiter's Redis does not answer ({error})") from error
        return sorted((each for key in keys for each in self._read(key, home, 0)), key=lambda each: each.attempt_id)

    def _read(self, key: str, home: str, most: int) -> list[Called]:
        try:
            with self._client.pipeline(transaction=True) as pipe:
                pipe.time()
                pipe.lrange(key, 0, most - 1)
                (seconds, micros), memos = pipe.execute()
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(f"the limiter's Redis does not answer ({error})") from error
        account = key.partition("{")[2].rpartition("}")[0]
        settled = seconds + micros / 1e6 - SETTLED_SECONDS
        return [each for each in _parse(cast(list[bytes], memos), account, home) if each.at.timestamp() <= settled]


def _parse(memos: Iterable[bytes], account: str, home: str) -> list[Called]:
    made: dict[int, Called] = {}
    withdrawn: set[int] = set()
    for memo in memos:
        first, job_id, whose, at = memo.split()
        if whose != home.encode():
            continue
        attempt_id = int(first)
        if attempt_id < 0:
            withdrawn.add(-attempt_id)
        else:
            made[attempt_id] = Called(attempt_id, int(job_id), datetime.fromtimestamp(int(at), UTC), account)
    return [each for attempt_id, each in made.items() if attempt_id not in withdrawn]
