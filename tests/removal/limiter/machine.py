"""Callers in any order, around the real script: what must hold whatever they do."""

import itertools
from bisect import bisect_left

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from redis import Redis

from core.states import Lane
from removal.limiter import verbs
from removal.limiter.bucket import keys_of
from removal.limiter.clock import RedisClock
from removal.limiter.limiter import MOST_TOGETHER_SECONDS
from removal.limiter.permit import Outcome, Permit
from tests.removal.limiter.simulation import AHEAD_US, START_US, OneByOne, take_in

LATE_US = 1_500
TOGETHER_US = int(MOST_TOGETHER_SECONDS * 1e6)
_accounts = itertools.count()
picks = st.integers(min_value=0, max_value=10**6)


class BucketMachine(RuleBasedStateMachine):
    """Callers that queue, call in time or late, die, give up and are refused, in any order."""

    client: Redis

    def __init__(self) -> None:
        super().__init__()
        self.account = f"machine-{next(_accounts)}"
        self.now = START_US
        self.buckets: list[OneByOne] = []
        self.rates: list[float] = []
        self.queued: list[Permit] = []
        self.granted: list[Permit] = []
        self.open: list[Permit] = []
        self.sent: list[int] = []
        self.closed_until = 0

    @precondition(lambda self: len(self.buckets) < 3)
    @rule(rate=st.sampled_from([0.5, 1, 2.5, 5, 20]), burst=st.sampled_from([1, 1, 3]))
    def configure(self, rate: float, burst: int) -> None:
        """A process joins the fleet, with a rate of its own while another one is rolled out."""
        self.rates.append(rate)
        self.buckets.append(OneByOne(self.client, self.account, rate, burst, RedisClock()))

    @property
    def bucket(self) -> OneByOne:
        """One process after the other: that is when they differ most often."""
        self.buckets.append(self.buckets.pop(0))
        return self.buckets[-1]

    @precondition(lambda self: len(self.buckets) > 1)
    @rule()
    def leave(self) -> None:
        """A process ends; what it was granted others send in this account."""
        self.buckets.pop()

    @precondition(lambda self: self.buckets)
    @rule(lane=st.sampled_from(list(Lane)), count=st.integers(1, 8))
    def reserve(self, lane: Lane, count: int) -> None:
        for _ in range(count):
            permit = Permit(lane)
            take_in(permit, self.bucket.reserve(lane, self.now))
            self.queued.append(permit)

    @rule(millis=st.integers(0, 60))
    def a_moment_passes(self, millis: int) -> None:
        self.now += millis * 1000

    @rule(millis=st.integers(200, 3000))
    def a_while_passes(self, millis: int) -> None:
        self.now += millis * 1000

    @precondition(lambda self: self.queued)
    @rule(count=st.integers(1, 12))
    def ask_for_slots(self, count: int) -> None:
        """The earliest of the queue ask, at the time they were told or later."""
        for permit in sorted(self.queued, key=lambda permit: permit.at_us)[:count]:
            self.ask(permit)

    @precondition(lambda self: self.queued)
    @rule(count=st.integers(2, 12), joining=st.integers(0, 3), ok=st.integers(0, 3))
    def talk_together(self, count: int, joining: int, ok: int) -> None:
        """One process says in one go that calls ended, that it wants places, and slots for some that are due soon."""
        earliest = sorted(self.queued, key=lambda permit: permit.at_us)[:count]
        self.now = max(self.now, earliest[0].at_us - AHEAD_US)
        ended = [self.open.pop(0) for _ in range(min(ok, len(self.open)))]
        joined = [Permit(Lane.BULK) for _ in range(joining)]
        answers = self.bucket.talk(
            [
                *(verbs.settle(permit, Outcome.OK, None, 0.5) for permit in ended),
                *(verbs.reserve(permit.lane) for permit in joined),
                *(verbs.grant(permit, TOGETHER_US) for permit in earliest),
            ],
            self.now,
        )
        for permit, answer in zip([*joined, *earliest], answers[len(ended) :], strict=True):
            take_in(permit, answer)
        self.queued += joined
        for permit in earliest:
            self.note_grant(permit, TOGETHER_US)

    def ask(self, permit: Permit) -> None:
        self.now = max(self.now, permit.at_us - AHEAD_US)
        take_in(permit, self.bucket.grant(permit, AHEAD_US, self.now))
        self.note_grant(permit, AHEAD_US)

    def note_grant(self, permit: Permit, ahead_us: int) -> None:
        if permit.granted:
            assert self.now <= permit.at_us <= self.now + ahead_us
            assert permit.at_us >= self.closed_until
            self.queued.remove(permit)
            self.granted.append(permit)

    @precondition(lambda self: self.granted)
    @rule()
    def send_in_time(self) -> None:
        permit = min(self.granted, key=lambda permit: permit.at_us)
        self.now = max(self.now, permit.at_us)
        self.send(permit)

    @precondition(lambda self: self.granted)
    @rule(pick=picks, millis=st.integers(0, 80))
    def send_late(self, pick: int, millis: int) -> None:
        permit = self.granted[pick % len(self.granted)]
        self.now = max(self.now, permit.at_us) + millis * 1000
        self.send(permit)

    @precondition(lambda self: self.buckets)
    @rule(late_millis=st.lists(st.sampled_from([0, 0, 0, 1, 4, 15, 60]), min_size=10, max_size=50))
    def keep_busy(self, late_millis: list[int]) -> None:
        """Many callers at once, each in its turn, some of them held up on the way."""
        self.reserve(Lane.BULK, max(0, len(late_millis) - len(self.queued)))
        held_up: dict[int, int] = {}
        while late_millis:
            next_in_queue = min(self.queued, key=lambda permit: permit.at_us, default=None)
            next_to_send = min(self.granted, key=lambda permit: permit.at_us + held_up.get(id(permit), 0), default=None)
            if next_to_send is None or (next_in_queue and next_in_queue.at_us < next_to_send.at_us):
                if next_in_queue is None:
                    return
                self.ask(next_in_queue)
                if next_in_queue.granted:
                    held_up[id(next_in_queue)] = late_millis.pop() * 1000
                continue
            self.now = max(self.now, next_to_send.at_us + held_up.pop(id(next_to_send), 0))
            self.send(next_to_send)

    def send(self, permit: Permit) -> None:
        if self.now > permit.at_us + LATE_US:
            take_in(permit, self.bucket.delay(permit, LATE_US, self.now))
            if not permit.granted:
                self.granted.remove(permit)
                self.queued.append(permit)
                return
        self.now = max(self.now, permit.at_us)
        self.granted.remove(permit)
        self.open.append(permit)
        self.sent.append(self.now)

    @precondition(lambda self: self.open)
    @rule(pick=picks, outcome=st.sampled_from([Outcome.OK, Outcome.OK, Outcome.FAILED]))
    def answer(self, pick: int, outcome: Outcome) -> None:
        self.bucket.settle(self.open.pop(pick % len(self.open)), outcome, None, 0.5, self.now)

    @precondition(lambda self: self.open)
    @rule(pick=picks, ban=st.sampled_from([None, None, 0.5, 2.0]))
    def refuse(self, pick: int, ban: float | None) -> None:
        self.bucket.settle(self.open.pop(pick % len(self.open)), Outcome.THROTTLED, ban, None, self.now)
        if ban is not None:
            self.closed_until = max(self.closed_until, self.now + int(ban * 1e6))

    @precondition(lambda self: self.granted or self.queued)
    @rule(pick=picks)
    def give_up(self, pick: int) -> None:
        both = self.queued + self.granted
        permit = both[pick % len(both)]
        (self.granted if permit in self.granted else self.queued).remove(permit)
        self.bucket.settle(permit, Outcome.UNUSED, None, None, self.now)

    @precondition(lambda self: self.queued)
    @rule(pick=picks)
    def die(self, pick: int) -> None:
        """Nobody gives this place back."""
        self.queued.pop(pick % len(self.queued))

    @precondition(lambda self: self.buckets)
    @rule()
    def lose_everything(self) -> None:
        self.client.delete(*keys_of(self.account))
        self.now += 1  # a bucket is named after the microsecond of its birth
        self.closed_until = 0
        # The slots that were granted are due within moments; whoever holds one either sends or finds out.
        for permit in sorted(self.granted, key=lambda permit: permit.at_us):
            self.now = max(self.now, permit.at_us)
            self.send(permit)

    @invariant()
    def no_second_holds_too_many(self) -> None:
        if not self.rates:
            return
        rate = max(self.rates)
        most, window = (int(rate), 1e6) if rate >= 1 else (1, 1e6 / rate)
        for place, begin in enumerate(self.sent):
            assert bisect_left(self.sent, begin + window) - place <= most

    @invariant()
    def the_learned_rate_has_bounds(self) -> None:
        learned = self.client.hget(keys_of(self.account)[0], "learned")
        if learned is not None:
            assert min(0.2, min(self.rates) / 4) <= float(learned) <= max(self.rates)
