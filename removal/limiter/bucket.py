"""The bucket in Redis: its keys, its script, its answers."""

import json
import time
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple, cast

from redis import Redis, RedisError

from removal.limiter.clock import RedisClock
from removal.limiter.errors import LimiterUnavailable
from removal.limiter.verbs import Verb

_PARTS = ("state.lua", "learning.lua", "verbs.lua")
_SCRIPT = "\n".join(resources.files("removal.limiter").joinpath(part).read_text(encoding="utf-8") for part in _PARTS)


def keys_of(account: str) -> tuple[str, str]:
    """Return the names of an account's bucket and of its recent calls."""
    prefix = f"cleanplate:limiter:{{{account}}}"
    return f"{prefix}:bucket", f"{prefix}:recent"


def memos_key(account: str) -> str:
    """Return the name of what is remembered of an account's calls."""
    return f"cleanplate:limiter:{{{account}}}:memos"


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
    tail: int
    said: int


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
        self._keys = (*keys_of(account), memos_key(account))
        self._head = (repr(float(rate)), str(burst))
        self._clock = clock
        self._known = (0, 0)

    def talk(self, verbs: Sequence[Verb], now_us: int | None = None) -> list[ScriptAnswer]:
        """Say all of these in one go, and return what each is answered.

        Args:
            verbs: In the order in which they hold.
            now_us: Redis' time, for tests; None for what it is.

        Raises:
            LimiterUnavailable: Redis does not answer; whether it heard is not known.
        """
        sent = time.monotonic()
        try:
            # One string each way: the client spends more on many small ones than the bucket does.
            said = json.dumps(verbs, separators=(",", ":"))
            raw = self._script(
                keys=self._keys, args=["" if now_us is None else now_us, *self._head, said, *self._known]
            )
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(
                f"the limiter cannot use its Redis ({error}); no call is made without it"
            ) from error
        received = time.monotonic()
        answers = [ScriptAnswer(*map(int, line.split())) for line in cast(bytes, raw).splitlines()]
        # A Redis that lost its last moments is told by it what it has forgotten.
        self._known = (answers[0].born, answers[0].said)
        if now_us is None:
            self._clock.observe(answers[0].now, sent, received)
        return answers
