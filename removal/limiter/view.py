"""What the limiter is doing, for status pages and the dispatcher; reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from removal.limiter.bucket import keys_of
from removal.limiter.errors import LimiterUnavailable


@dataclass(frozen=True, slots=True)
class LimiterView:
    """One account's bucket at one moment.

    Attributes:
        configured_rate: Calls per second that were asked for.
        learned_rate: Calls per second it goes at; lower after throttles.
        closed_for_seconds: How long no call is made at all; 0 when open.
        reserved_ahead_seconds: How far ahead slots are promised.
        waiting: How many permits are queued, as far as is known.
        ok: Answers that were no throttle and no fault, so far.
        throttled: Answers that said "too fast", so far.
        failed: Calls with a fault, so far.
        latency_seconds: Moving mean of a call's duration; None when nothing was measured.
    """

    configured_rate: float
    learned_rate: float
    closed_for_seconds: float
    reserved_ahead_seconds: float
    waiting: int
    ok: int
    throttled: int
    failed: int
    latency_seconds: float | None


LOOK_SECONDS = 1.0


def viewer(redis_url: str) -> Redis:
    """Return a client for looking again and again; it connects anew where its connection was lost."""
    return Redis.from_url(
        redis_url, socket_connect_timeout=LOOK_SECONDS, socket_timeout=LOOK_SECONDS, retry=Retry(NoBackoff(), 1)
    )


def look(redis_url: str, account: str) -> LimiterView | None:
    """Return what the account's limiter is doing; None when it has not been used for a day, or there is no Redis.

    Args:
        redis_url: Of the limiter; empty for none.
        account: Whose bucket.

    Raises:
        LimiterUnavailable: Redis does not answer.
    """
    if not redis_url:
        return None
    try:
        with Redis.from_url(redis_url, socket_connect_timeout=LOOK_SECONDS, socket_timeout=LOOK_SECONDS) as client:
            return view(client, account)
    except (RedisError, OSError, ValueError) as error:
        raise LimiterUnavailable(f"Redis does not answer: {error}") from error


def present_rate(redis_url: str, account: str, configured: float) -> float:
    """Return the calls per second the fleet goes at: the learned rate where Redis knows one, else the configured.

    Args:
        redis_url: Of the limiter; empty for none.
        account: Whose bucket.
        configured: Calls per second that are asked for.
    """
    try:
        found = look(redis_url, account)
    except LimiterUnavailable:
        found = None
    rate = found.learned_rate if found is not None and found.learned_rate > 0 else configured
    # The bucket counts whole calls a second; below one a second it stretches the window instead.
    return float(int(rate)) if rate >= 1 else rate


def view(client: Redis, account: str) -> LimiterView | None:
    """Return what the account's limiter is doing, None when it has not been used for a day.

    Args:
        client: Any Redis client.
        account: Whose bucket.

    Raises:
        LimiterUnavailable: Redis does not answer.
    """
    try:
        with client.pipeline(transaction=True) as pipe:
            pipe.time()
            pipe.hgetall(keys_of(account)[0])
            (seconds, micros), raw = pipe.execute()
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(f"the limiter's Redis does not answer ({error})") from error
    if not raw:
        return None
    return _read(_decode(raw), seconds * 1_000_000 + micros)


def _decode(raw: dict[bytes | str, bytes | str]) -> dict[str, float]:
    pairs = cast(Iterable[tuple[bytes | str, bytes | str]], raw.items())
    return {name.decode() if isinstance(name, bytes) else name: float(value) for name, value in pairs}


def _read(fields: dict[str, float], now_us: int) -> LimiterView:
    waiting, ahead_us = 0.0, 0.0
    for lane in ("interactive", "bulk"):
        queued = max(0.0, fields[f"{lane}:tail"] - fields[f"{lane}:head"])
        left_us = fields[f"{lane}:at"] + queued * fields["gap"] - now_us
        if queued and left_us > 0:
            # Numbers whose turn is long past belong to workers that died.
            waiting += min(queued, left_us / fields["gap"] + 1)
            ahead_us = max(ahead_us, left_us)
    return LimiterView(
        configured_rate=fields["configured"],
        learned_rate=fields["learned"],
        closed_for_seconds=max(0.0, (fields["closed"] - now_us) / 1e6),
        reserved_ahead_seconds=ahead_us / 1e6,
        waiting=round(waiting),
        ok=int(fields["oks"]),
        throttled=int(fields["throttled"]),
        failed=int(fields["failed"]),
        latency_seconds=fields.get("latency"),
    )
