"""A fleet of callers and an API in simulated time, around the real script on a real Valkey."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from redis import Redis

from core.states import Lane
from removal.limiter import verbs
from removal.limiter.bucket import Bucket, ScriptAnswer
from removal.limiter.clock import RedisClock
from removal.limiter.lineup import Lineup
from removal.limiter.permit import Outcome, Permit

START_US = 1_000_000_000_000
AHEAD_US = 25_000
LOOK_US = 1_000_000


class OneByOne(Bucket):
    """A bucket that is told one thing at a time, at a time of the test's own."""

    def reserve(self, lane: Lane, now_us: int) -> ScriptAnswer:
        return self.talk([verbs.reserve(lane)], now_us)[0]

    def grant(self, permit: Permit, ahead_us: int, now_us: int) -> ScriptAnswer:
        return self.talk([verbs.grant(permit, ahead_us)], now_us)[0]

    def delay(self, permit: Permit, by_us: int, now_us: int) -> ScriptAnswer:
        return self.talk([verbs.delay(permit, by_us)], now_us)[0]

    def settle(
        self, permit: Permit, outcome: Outcome, ban_seconds: float | None, latency_seconds: float | None, now_us: int
    ) -> ScriptAnswer:
        return self.talk([verbs.settle(permit, outcome, ban_seconds, latency_seconds)], now_us)[0]

    def slip(self, permit: Permit, by_us: int, now_us: int) -> ScriptAnswer:
        return self.talk([verbs.slip(permit, by_us)], now_us)[0]


def take_in(permit: Permit, answer: ScriptAnswer) -> None:
    """Do what the limiter does with an answer."""
    permit.number, permit.born, permit.at_us = answer.number, answer.born, answer.at
    permit.granted, permit.waited = bool(answer.granted), bool(answer.waited)
    permit.epoch, permit.generation, permit.rate_millis = answer.epoch, answer.generation, answer.rate_millis


@dataclass
class Api:
    """A server with a quota over any sliding second.

    Args:
        quota: Calls per second that it accepts, by seconds since the start.
        latency_seconds: How long an accepted call takes.
        refusal_seconds: How long a refused one takes.
    """

    quota: Callable[[float], float]
    latency_seconds: float = 1.0
    refusal_seconds: float = 0.05
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    _recent: deque[int] = field(default_factory=deque)

    def call(self, now_us: int) -> bool:
        """Answer whether a call is accepted."""
        seconds = (now_us - START_US) / 1e6
        quota = self.quota(seconds)
        most, window_us = (int(quota), 1e6) if quota >= 1 else (1, 1e6 / quota) if quota else (0, 1e6)
        while self._recent and self._recent[0] <= now_us - window_us:
            self._recent.popleft()
        fits = len(self._recent) < most
        if fits:
            self._recent.append(now_us)
        (self.accepted if fits else self.refused).append(seconds)
        return fits


class Fleet:
    """Callers that always have work.

    Args:
        client: A Valkey.
        account: Whose bucket.
        rate: The configured rate.
        api: What they call.
        others: What other processes of the fleet are configured to.
        thaws: For calls that the machine holds up, by seconds since the start: when they leave.
        tells: Whether a sender tells that its call left late.
    """

    def __init__(
        self,
        client: Redis,
        account: str,
        rate: float,
        api: Api,
        others: Sequence[float] = (),
        *,
        thaws: Callable[[float], float] = lambda seconds: seconds,
        tells: bool = True,
    ) -> None:
        self._thaws = thaws
        self._tells = tells
        self._buckets = itertools.cycle([OneByOne(client, account, each, 1, RedisClock()) for each in (rate, *others)])
        self._lineup = Lineup()
        self._api = api
        self._now = START_US
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.rates: list[tuple[float, float]] = []
        for _ in range(max(2, int(rate * (api.latency_seconds + 2)))):
            self._at(START_US, self._reserve)

    def run(self, seconds: float) -> None:
        """Go on for so many simulated seconds."""
        end = self._now + int(seconds * 1e6)
        while self._events[0][0] <= end:
            self._now, _, event = heapq.heappop(self._events)
            event()
        self._now = end

    def used(self, begin: float, end: float, quota: float) -> float:
        """Return the share of a quota that was used between two moments."""
        return sum(begin <= moment < end for moment in self._api.accepted) / (end - begin) / quota

    def refused(self, begin: float, end: float) -> float:
        """Return the share of the calls between two moments that were refused."""
        accepted = sum(begin <= moment < end for moment in self._api.accepted)
        refused = sum(begin <= moment < end for moment in self._api.refused)
        return refused / max(1, accepted + refused)

    def _at(self, moment_us: int, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(moment_us, self._now), next(self._order), event))

    def _note(self, permit: Permit, answer: ScriptAnswer) -> None:
        self._lineup.note(permit.lane, answer)
        self.rates.append(((self._now - START_US) / 1e6, answer.rate_millis / 1000))

    def _reserve(self) -> None:
        permit, bucket = Permit(Lane.BULK), next(self._buckets)
        answer = bucket.reserve(permit.lane, self._now)
        take_in(permit, answer)
        self._note(permit, answer)
        self._sleep(permit, bucket)

    def _sleep(self, permit: Permit, bucket: OneByOne) -> None:
        left = self._lineup.due_us(permit) - AHEAD_US - self._now
        if left > 0:
            self._at(self._now + min(left, LOOK_US), lambda: self._sleep(permit, bucket))
            return
        answer = bucket.grant(permit, AHEAD_US, self._now)
        take_in(permit, answer)
        self._note(permit, answer)
        if permit.granted:
            leaves = self._thaws((permit.at_us - START_US) / 1e6)
            self._at(START_US + round(leaves * 1e6), lambda: self._call(permit, bucket))
        else:
            self._at(self._now + 1, lambda: self._sleep(permit, bucket))

    def _call(self, permit: Permit, bucket: OneByOne) -> None:
        fits = self._api.call(self._now)
        if self._tells and self._now > permit.at_us:
            self._note(permit, bucket.slip(permit, self._now - permit.at_us, self._now))
        seconds = self._api.latency_seconds if fits else self._api.refusal_seconds
        self._at(self._now + int(seconds * 1e6), lambda: self._settle(permit, bucket, fits))

    def _settle(self, permit: Permit, bucket: OneByOne, fits: bool) -> None:
        outcome = Outcome.OK if fits else Outcome.THROTTLED
        self._note(permit, bucket.settle(permit, outcome, None, None, self._now))
        self._at(self._now, self._reserve)
