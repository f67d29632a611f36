"""Callers in any order, around the real script: what must hold whatever they do, and whatever becomes of Redis."""

import math

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from core.states import Lane
from removal.limiter import verbs
from removal.limiter.bucket import keys_of
from removal.limiter.permit import Outcome
from tests.removal.limiter.callers import Caller
from tests.removal.limiter.crowd import TOGETHER_US, Crowd
from tests.removal.limiter.departures import quota_of
from tests.removal.limiter.simulation import AHEAD_US

ANOTHER_SERVER = 1

picks = st.integers(min_value=0, max_value=10**6)
rates = st.floats(math.log(0.1), math.log(1000)).map(lambda power: round(math.exp(power), 3))
bursts = st.sampled_from([1, 1, 3, 20, 1000])
drifts = st.floats(-30e-6, 30e-6)
offsets = st.floats(-1e6, 1e6)
ways = st.lists(st.integers(0, 1000), min_size=2, max_size=5).map(tuple)
lanes = st.sampled_from(list(Lane))


class BucketMachine(Crowd):
    """Callers that queue, call in time or late, die, give up and are refused, and a Redis that forgets."""

    @initialize(rate=rates, burst=bursts, drift=drifts, offset=offsets, way=ways)
    def begin(self, rate: float, burst: int, drift: float, offset: float, way: tuple[int, ...]) -> None:
        self.configure(rate, burst, drift, offset, way)

    @precondition(lambda self: len(self.callers) < 4)
    @rule(rate=rates, burst=bursts, drift=drifts, offset=offsets, way=ways)
    def configure(self, rate: float, burst: int, drift: float, offset: float, way: tuple[int, ...]) -> None:
        """A process joins the fleet, with a clock of its own, and a rate while another one is rolled out."""
        self.callers.append(Caller(self.client, self.account, self.world, rate, burst, drift, offset, way))

    @rule(rate=rates, factor=st.sampled_from([None, 0.5, 0.9, 1.1, 2]), count=st.integers(1, 4))
    def change_the_rate(self, rate: float, factor: float | None, count: int) -> None:
        """Some processes are started anew with another rate; what they held is nobody's now."""
        for old in self.callers[:count]:
            new = rate if factor is None else min(1000.0, max(0.1, old.rate * factor))
            self.leave(old)
            self.configure(new, old.burst, old.drift, old.offset_seconds, old.way_us)

    @precondition(lambda self: len(self.callers) > 1)
    @rule(pick=picks)
    def crash(self, pick: int) -> None:
        """A process ends with all it held: places, slots and calls."""
        self.leave(self.callers[pick % len(self.callers)])

    @rule(lane=lanes, count=st.integers(1, 8))
    def reserve(self, lane: Lane, count: int) -> None:
        self.take_place(lane, count)

    @rule(millis=st.integers(0, 60))
    def a_moment_passes(self, millis: int) -> None:
        self.world.now_us += millis * 1000

    @rule(millis=st.one_of(st.integers(200, 3000), st.integers(3000, 30_000)))
    def a_while_passes(self, millis: int) -> None:
        self.world.now_us += millis * 1000

    @precondition(lambda self: self.queued)
    @rule(count=st.integers(1, 12))
    def ask_for_slots(self, count: int) -> None:
        """The earliest of the queue ask, at the time they were told or later."""
        for permit in sorted(self.queued, key=self.due_us)[:count]:
            self.wait_until(self.due_us(permit) - AHEAD_US)
            self.ask([permit], AHEAD_US)

    @precondition(lambda self: self.queued)
    @rule(count=st.integers(2, 12))
    def ask_together(self, count: int) -> None:
        """One process asks in one go for slots of all that are due soon."""
        earliest = sorted(self.queued, key=self.due_us)[:count]
        self.wait_until(self.due_us(earliest[0]) - AHEAD_US)
        self.ask(earliest, TOGETHER_US)

    @precondition(lambda self: self.granted)
    @rule()
    def send_in_time(self) -> None:
        self.send(min(self.granted, key=self.due_us))

    @precondition(lambda self: self.granted)
    @rule(pick=picks, millis=st.integers(0, 80), slips=st.sampled_from([False, False, True]))
    def send_late(self, pick: int, millis: int, slips: bool) -> None:
        permit = self.granted[pick % len(self.granted)]
        self.wait_until(self.due_us(permit) + millis * 1000)
        self.send(permit, slips)

    @precondition(lambda self: self.open)
    @rule(pick=picks, count=st.integers(1, 50), outcome=st.sampled_from([Outcome.OK, Outcome.OK, Outcome.FAILED]))
    def answer(self, pick: int, count: int, outcome: Outcome) -> None:
        for _ in range(min(count, len(self.open))):
            permit = self.open.pop(pick % len(self.open))
            self.talk(self.of[permit], [(permit, verbs.settle(permit, outcome, None, 0.5))])

    @precondition(lambda self: self.open)
    @rule(pick=picks, ban=st.sampled_from([None, None, 0.5, 2.0]))
    def refuse(self, pick: int, ban: float | None) -> None:
        permit = self.open.pop(pick % len(self.open))
        before = self.world.redis_us
        self.talk(self.of[permit], [(permit, verbs.settle(permit, Outcome.THROTTLED, ban, None))])
        self.was_refused = True
        if ban is not None:
            self.closed_until = max(self.closed_until, before + int(ban * 1e6))

    @precondition(lambda self: self.granted or self.queued)
    @rule(pick=picks)
    def give_up(self, pick: int) -> None:
        both = self.queued + self.granted
        permit = both[pick % len(both)]
        (self.granted if permit in self.granted else self.queued).remove(permit)
        self.talk(self.of[permit], [(permit, verbs.settle(permit, Outcome.UNUSED, None, None))])

    @precondition(lambda self: self.granted or self.queued)
    @rule(pick=picks)
    def die(self, pick: int) -> None:
        """Nobody gives this place, or this slot, back."""
        held = self.granted if pick % 2 and self.granted else self.queued or self.granted
        held.pop(pick % len(held))

    @rule(bulk=st.integers(0, 60), more=st.booleans(), interactive=st.lists(st.integers(0, 1000), max_size=5))
    def keep_busy(self, bulk: int, more: bool, interactive: list[int]) -> None:
        """Many callers at once, each in its turn: all get their slots, in order, and as soon as is promised."""
        most = quota_of(max(caller.rate for caller in self.callers))[0]
        self.rush(bulk + (most * 5 // 4 if more else 0), interactive)

    @rule(which=st.sampled_from([(0, 1), (0,), (1,)]))
    def evict(self, which: tuple[int, ...]) -> None:
        """Redis drops all, the bucket, or the recent calls."""
        self.client.delete(*(keys_of(self.account)[place] for place in which))
        self.lose_sight(forgets=0 in which)
        if 0 in which:
            self.rates.asked.clear()
            self.put_back = None

    @precondition(lambda self: self.states)
    @rule(lost_millis=st.integers(1, 1000), ahead_millis=st.sampled_from([0, 0, 1, -40, 300, -700, 3000, -3000]))
    def fail_over(self, lost_millis: int, ahead_millis: int) -> None:
        """A replica takes over that lacks the last moments, on a machine whose clock is another one."""
        at = self.world.now_us - lost_millis * 1000
        _, dumps, asked = max(
            (each for each in self.states if each[0] <= at), default=self.states[0], key=lambda each: each[0]
        )
        self.states.clear()
        self.client.delete(*keys_of(self.account))
        for key, dump in zip(keys_of(self.account), dumps, strict=True):
            if dump is not None:
                self.client.restore(key, 0, dump)
        bucket = keys_of(self.account)[0]
        if dumps[0] is not None:
            self.client.hset(bucket, "server", ANOTHER_SERVER)
        self.world.ahead_us += ahead_millis * 1000
        self.put_back = float(self.client.hget(bucket, "clock") or 0), asked
        self.lose_sight(forgets=True)

    @invariant()
    def the_rate_is_the_lowest_that_was_asked_for(self) -> None:
        learned, agreed = self.client.hmget(keys_of(self.account)[0], "learned", "configured")
        if learned is None or agreed is None or self.put_back:
            return
        assert float(agreed) == self.rates.agreed
        assert min(0.2, self.rates.lowest / 4) <= float(learned) <= self.rates.agreed
