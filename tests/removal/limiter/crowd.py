"""The callers of the machine: what they hold, what they say, and when they call."""

import itertools
from collections.abc import Sequence

from hypothesis.stateful import RuleBasedStateMachine
from redis import Redis

from core.states import Lane
from removal.limiter import verbs
from removal.limiter.bucket import keys_of
from removal.limiter.limiter import LATE_SECONDS, MOST_TOGETHER_SECONDS
from removal.limiter.permit import Permit
from removal.limiter.verbs import Verb
from tests.removal.limiter.callers import Caller, World
from tests.removal.limiter.departures import Departures, Rates, quota_of
from tests.removal.limiter.simulation import AHEAD_US, START_US

LATE_US = int(LATE_SECONDS * 1e6)
TOGETHER_US = int(MOST_TOGETHER_SECONDS * 1e6)
BLIND_US, BACK_US, FAR_US = 80_000, 1_000_000, 1 << 60
GUARD, PACE = 1.006, 1.0085
OVERTAKEN = 2
"""Bulk calls that may go before an interactive one though they got their slots after it had come."""
MOST_ROUNDS = 20_000
KEPT_STATES, STATE_US = 15, 100_000

_accounts = itertools.count()


State = tuple[int, list[bytes | None], dict[float, int]]
"""When, what, and which rates were asked for."""


class Crowd(RuleBasedStateMachine):
    """Processes and their permits."""

    client: Redis

    def __init__(self) -> None:
        super().__init__()
        self.account = f"machine-{next(_accounts)}"
        self.world = World(START_US)
        self.callers: list[Caller] = []
        self.of: dict[Permit, Caller] = {}
        self.rate_of: dict[Permit, float] = {}
        self.queued: list[Permit] = []
        self.granted: list[Permit] = []
        self.open: list[Permit] = []
        self.rates = Rates()
        self.sent = Departures()
        self.states: list[State] = []
        self.put_back: tuple[float, dict[float, int]] | None = None
        self.was_refused = False
        self.closed_until = 0
        self.blind_until = 0
        self.heard = 0

    def leave(self, caller: Caller) -> None:
        self.callers.remove(caller)
        for held in (self.queued, self.granted, self.open):
            held[:] = [permit for permit in held if self.of[permit] is not caller]

    def talk(self, caller: Caller, said: Sequence[tuple[Permit, Verb]]) -> None:
        """Say it, and hold against the model which rate counts then."""
        self.keep_state()
        before = [permit for permit in self.granted if permit.granted]
        now_us = caller.talk(said)[0].now
        self.heard += 1
        if self.put_back:
            clock, asked = self.put_back
            self.rates.asked = dict.fromkeys(asked, now_us) if now_us + BACK_US >= clock else {}
            self.put_back = None
        agreed = self.rates.ask(caller.rate, now_us)
        for permit in {*before, *(permit for permit, _ in said)}:
            self.rate_of[permit] = max(agreed, self.rate_of.get(permit, 0.0) if permit in before else 0.0)

    def take_place(self, lane: Lane, count: int) -> list[Permit]:
        """Join the queue, one process after the other: that is when they differ most often."""
        self.callers.append(self.callers.pop(0))
        caller, joined = self.callers[-1], [Permit(lane) for _ in range(count)]
        self.of |= dict.fromkeys(joined, caller)
        self.talk(caller, [(permit, verbs.reserve(lane)) for permit in joined])
        self.queued += joined
        return joined

    def ask(self, permits: list[Permit], ahead_us: int) -> None:
        """Ask for slots together, as far as they are of one process."""
        caller = self.of[permits[0]]
        mine = sorted(
            (permit for permit in permits if self.of[permit] is caller),
            key=lambda permit: (permit.lane is not Lane.INTERACTIVE, permit.number),
        )
        began = self.world.redis_us
        self.talk(caller, [(permit, verbs.grant(permit, ahead_us)) for permit in mine])
        for permit in mine:
            if permit.granted:
                assert began <= permit.at_us <= self.world.redis_us + ahead_us
                assert permit.at_us >= self.closed_until
                self.queued.remove(permit)
                self.granted.append(permit)

    def send(self, permit: Permit, slips: bool = False) -> None:
        """Call as the limiter lets one: not in a void slot, not before the slot, and not late without a word."""
        caller = self.of[permit]
        if caller.lineup.is_void(permit):
            permit.granted = False
        self.wait_until(caller.due_us(permit))
        if permit.granted and not slips and self.world.now_us > caller.due_us(permit) + LATE_US:
            by_us = int(caller.clock.way_seconds * 1e6) + LATE_US
            self.talk(caller, [(permit, verbs.delay(permit, by_us))])
        self.granted.remove(permit)
        if not permit.granted:
            self.queued.append(permit)
            return
        self.wait_until(caller.due_us(permit))
        late_us = self.world.now_us - caller.due_us(permit)
        self.sent.add(self.world.now_us, self.rate_of[permit], has_slipped=slips)
        self.open.append(permit)
        if slips and late_us > 0:
            self.talk(caller, [(permit, verbs.slip(permit, late_us))])

    def wait_until(self, moment_us: int) -> None:
        self.world.now_us = max(self.world.now_us, moment_us)

    def due_us(self, permit: Permit) -> int:
        return self.of[permit].due_us(permit)

    def keep_state(self) -> None:
        """Keep what Redis holds, ten times a second, so that it can be put back."""
        if self.states and self.world.now_us - self.states[-1][0] < STATE_US:
            return
        asked = self.put_back[1] if self.put_back else self.rates.asked
        with self.client.pipeline() as pipe:
            for key in keys_of(self.account):
                pipe.dump(key)
            self.states.append((self.world.now_us, pipe.execute(), dict(asked)))
        del self.states[:-KEPT_STATES]

    def lose_sight(self, *, forgets: bool) -> None:
        """Note that Redis no longer knows which calls left, and may not know the queue either."""
        self.world.now_us += 1  # a bucket is named after the microsecond of its birth
        windows = [quota_of(rate)[1] for rate in (*self.rates.asked, *(caller.rate for caller in self.callers))]
        self.blind_until = self.world.now_us + BLIND_US + round(max(windows) * GUARD)
        if forgets:
            self.closed_until = 0

    def rush(self, bulk: int, interactive: Sequence[int]) -> None:
        """Let many join, and all who wait and are alive call, each in its turn.

        Args:
            bulk: How many join at once.
            interactive: When one more joins, in thousandths of the time that the bulk takes.
        """
        began, (gap_us, _) = self.world.now_us, self.pace()
        joins = sorted((began + round(share * bulk * gap_us / 1000) for share in interactive), reverse=True)
        if bulk:
            self.take_place(Lane.BULK, bulk)
        joined: dict[Permit, int] = {}
        slots: list[tuple[Permit, int]] = []
        asking: list[Permit] = []
        calling: list[Permit] = []
        heard = -1
        for rounds in itertools.count():
            if not (self.queued or self.granted or joins):
                break
            assert rounds < MOST_ROUNDS, "somebody never gets a slot"
            if heard != self.heard:
                # What is said may move everybody.
                asking, calling = (sorted(each, key=self.due_us) for each in (self.queued, self.granted))
                heard = self.heard
            asks_us = self.due_us(asking[0]) - AHEAD_US if asking else FAR_US
            calls_us = self.due_us(calling[0]) if calling else FAR_US
            if joins and joins[-1] <= min(asks_us, calls_us):
                self.wait_until(joins.pop())
                joined[self.take_place(Lane.INTERACTIVE, 1)[0]] = len(slots)
            elif calls_us <= asks_us:
                self.send(calling.pop(0))
            else:
                self.wait_until(max(asks_us, self.world.now_us + 1))
                soon = [each for each in asking if self.due_us(each) <= self.world.now_us + TOGETHER_US]
                # As a conversation words it.
                soon.sort(key=lambda each: each.lane is Lane.BULK)
                self.ask(soon or asking[:1], TOGETHER_US)
                slots += [(each, each.at_us) for each in soon or asking[:1] if each.granted]
        self.hold_turns(joined, slots)

    def hold_turns(self, joined: dict[Permit, int], slots: list[tuple[Permit, int]]) -> None:
        """Hold that bulk calls that got their slots after an interactive one had come do not go before it."""
        for place, (permit, at_us) in enumerate(slots):
            if permit in joined:
                later = slots[joined[permit] : place]
                overtook = [each for each, slot_us in later if each.lane is Lane.BULK and slot_us < at_us]
                assert len(overtook) <= OVERTAKEN, f"{len(overtook)} bulk calls went before {permit}"

    def pace(self) -> tuple[float, float]:
        """Return the time between two calls, and the window, at the lowest rate that may count."""
        lowest = min((*self.rates.asked, *(caller.rate for caller in self.callers)))
        most, window_us = quota_of(lowest)
        return window_us * PACE / most, window_us
