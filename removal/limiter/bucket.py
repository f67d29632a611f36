"""The bucket in Redis: its keys, its script, its answers."""

import time
from importlib import resources
from typing import NamedTuple, cast

from redis import Redis, RedisError

from core.states import Lane
from removal.limiter.clock import RedisClock
from removal.limiter.errors import LimiterUnavailable
from removal.limiter.permit import Outcome, Permit

_PARTS = ("state.lua", "learning.lua", "verbs.lua")
_SCRIPT = "\n".join(resources.files("removal.limiter").joinpath(part).read_text(encoding="utf-8") for part in _PARTS)


def keys_of(account: str) -> tuple[str, str]:
    """Return the names of an account's bucket and of its recent calls."""
    prefix = f"cleanplate:limiter:{{{account}}}"
    return f"{prefix}:bucket", f"{prefix}:recent"


class ScriptAnswer(NamedTuple):
    """What every verb of the script answers; times in µs of Redis' clock."""

    now: int
    born: int
    epoch: int
    generation: int
    granted: int
    at: int
    number: int
    waited: int
    rate_millis: int
    head: int
    head_at: int
    gap_ns: int


class Bucket:
    """Speaks to one account's bucket.

    Args:
        client: A thread-safe Redis client; the caller owns it.
        account: Whose bucket.
        rate: Calls per second, as configured.
        burst: Calls that may go out at once.
        clock: Learns Redis' time from every answer.
    """

    def __init__(self, client: Redis, account: str, rate: float, burst: int, clock: RedisClock) -> None:
        self._script = client.register_script(_SCRIPT)
        self._keys = keys_of(account)
        self._head = (repr(float(rate)), str(burst))
        self._clock = clock

    def reserve(self, lane: Lane, now_us: int | None = None) -> ScriptAnswer:
        """Join the queue."""
        return self._run("reserve", now_us, lane.value)

    def grant(self, permit: Permit, ahead_us: int, now_us: int | None = None) -> ScriptAnswer:
        """Ask for the slot; the answer grants one that is at most `ahead_us` away, or tells when to ask again."""
        return self._run("grant", now_us, *self._name(permit), ahead_us)

    def delay(self, permit: Permit, by_us: int, now_us: int | None = None) -> ScriptAnswer:
        """Move a granted slot that was missed to `by_us` from now; where it was void, ask for another."""
        return self._run("late", now_us, *self._name(permit), by_us, permit.epoch)

    def settle(
        self,
        permit: Permit,
        outcome: Outcome,
        ban_seconds: float | None,
        latency_seconds: float | None,
        now_us: int | None = None,
    ) -> ScriptAnswer:
        """Tell what became of a permit."""
        return self._run(
            "settle",
            now_us,
            *self._name(permit),
            0,
            permit.epoch,
            permit.generation,
            permit.rate_millis,
            outcome.value,
            "" if ban_seconds is None else int(max(0.0, ban_seconds) * 1e6),
            "" if latency_seconds is None else repr(float(latency_seconds)),
        )

    @staticmethod
    def _name(permit: Permit) -> tuple[str, int, int, int]:
        return permit.lane.value, permit.number, permit.born, int(permit.waited)

    def _run(self, verb: str, now_us: int | None, *args: str | int) -> ScriptAnswer:
        sent = time.monotonic()
        try:
            raw = self._script(keys=self._keys, args=[verb, "" if now_us is None else now_us, *self._head, *args])
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(
                f"the limiter cannot use its Redis ({error}); no call is made without it"
            ) from error
        answer = ScriptAnswer(*cast(list[int], raw))
        if now_us is None:
            self._clock.observe(answer.now, sent, time.monotonic())
        return answer
