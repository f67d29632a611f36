"""The fleet-wide limiter: one queue and one pace for all workers of an account."""

import time

from redis import Redis

from core.states import Lane
from removal.limiter import verbs
from removal.limiter.bucket import Bucket, ScriptAnswer
from removal.limiter.clock import RedisClock
from removal.limiter.conversation import Conversation, Stage, Word
from removal.limiter.errors import SlotMoved
from removal.limiter.lineup import Lineup
from removal.limiter.permit import Outcome, Permit
from removal.limiter.sleeper import Cancelled, Sleeper

AHEAD_SECONDS = 0.025
"""How long before its slot a permit is granted: early enough to take the place of one that was given up."""
TOGETHER_SECONDS, MOST_TOGETHER_SECONDS = 0.05, 0.08
"""Who asks for a slot asks for the others of this process as well that are due so soon, or are the next one then."""
RIDE_SECONDS = 0.12
"""How long the end of a call, and a new place in a long queue, may wait to be told with something else."""
LONG_QUEUE_SECONDS = 0.2
"""Whoever joins a queue that is longer than this is in no hurry to be placed."""
FRESH_SECONDS = 0.25
"""How old what is known of a queue may be for that."""
LATE_SECONDS = 0.0015
"""A call that goes out later than this after its slot is told to the bucket first, which counts it from then on."""
MOST_DELAY_SECONDS = 0.08
SLIP_SECONDS = 0.003
"""A call that left later than this, as is seen when it has, counts from when it left, and excuses refusals after it."""
TELL_SLIP_SECONDS = 0.02


class Limiter:
    """Hands out the moments at which calls may be made. Thread-safe; one per process.

    Args:
        client: A thread-safe Redis client with short socket timeouts; the caller owns it.
        account: Whose quota; every process that calls for this account must name it the same.
        rate: Calls per second. In any second, over all processes, no more than this many go out, rounded down to
            whole calls; below 1, one call in 1 / rate seconds. The lowest value
            that any process brought in the last ten seconds counts for all; what was learned below it is kept.
        burst: How many calls may go out at once after a pause; never more than `rate` in any second even so.
    """

    def __init__(self, client: Redis, account: str, rate: float, burst: int = 1) -> None:
        if not account or rate <= 0 or burst < 1:
            raise ValueError("the limiter needs an account, a rate above 0 and a burst of at least 1")
        self._clock = RedisClock()
        self._lineup = Lineup()
        self._conversation = Conversation(Bucket(client, account, rate, burst, self._clock).talk, self._gather)
        self._sleeper = Sleeper(self._clock, self._lineup, self._conversation)
        self._joining: dict[Permit, Word] = {}
        self._wanted: dict[Permit, Word] = {}

    def reserve(self, lane: Lane = Lane.BULK) -> Permit:
        """Join the queue and return the place in it.

        In a long queue the bucket is told with what others ask, within a tenth of a second.

        Args:
            lane: Interactive permits go before all bulk ones that have no slot yet.

        Raises:
            LimiterUnavailable: Redis does not answer.
        """
        permit = Permit(lane)
        word = self._joining[permit] = self._join_word(permit)
        now_us = self._clock.to_redis(time.monotonic())
        permit.at_us = self._lineup.foresee_us(lane, len(self._joining) - 1)
        is_long = permit.at_us - now_us > LONG_QUEUE_SECONDS * 1e6
        if lane is Lane.BULK and is_long and self._lineup.age_us(lane, now_us) < FRESH_SECONDS * 1e6:
            self._conversation.tell(word, RIDE_SECONDS)
        else:
            self._place(permit)
        return permit

    def due_in(self, permit: Permit) -> float:
        """Return the seconds until a permit is due, as far as is known; negative when that has passed."""
        return self._sleeper.due_in(permit)

    def sleep_until(self, permit: Permit, *, ahead_seconds: float, cancelled: Cancelled) -> bool:
        """Sleep until some time before a permit is due, for what must be done between that and the call.

        Args:
            permit: From `reserve`.
            ahead_seconds: How long before.
            cancelled: Set or true, for good, once nothing is to be called any more.

        Returns:
            Whether it was cancelled.

        Raises:
            LimiterUnavailable: Redis does not answer; the permit is void.
        """
        while True:
            is_cancelled = self._sleeper.sleep(permit, ahead_seconds, cancelled)
            if is_cancelled or permit.is_placed:
                self._conversation.look()
                return is_cancelled
            self._place(permit)

    def wait_until_due(
        self, permit: Permit, *, cancelled: Cancelled, latest: float | None = None, memo: str = ""
    ) -> Permit:
        """Sleep until the permit's exact slot; the call must be sent at once then.

        Args:
            permit: From `reserve`.
            cancelled: Set or true, for good, once nothing is to be called any more. The permit is settled
                `unused` then, and this returns at once.
            latest: Local monotonic seconds by which the call must have left; None for no matter when.
            memo: What is remembered of this call, for when the caller's own database goes back to a backup.

        Returns:
            The same permit, due now or settled.

        Raises:
            LimiterUnavailable: Redis does not answer; the permit is void.
            SlotMoved: The slot is later than `latest`, or this thread was held up until then. The permit keeps its
                place, and may be waited for again.
        """
        delay = LATE_SECONDS
        permit.memo = memo
        while True:
            had_slot = self._has_slot(permit)
            if not had_slot:
                self._want(permit)
            try:
                is_cancelled = self._sleeper.sleep(permit, 0.0 if had_slot else self._ahead(), cancelled, latest)
            except SlotMoved:
                # A slot that it has is given to the next, and asked for anew when the permit is waited for again.
                self._want_no_more(permit)
                if permit.granted and memo:
                    self._forget(permit)
                permit.granted, permit.memo = False, ""
                self._conversation.look()
                raise
            if is_cancelled:
                self.settle(permit, Outcome.UNUSED)
                return permit
            if not permit.is_placed:
                self._place(permit)
            elif not self._has_slot(permit):
                self._grant(permit)
            elif not had_slot:
                # Somebody else asked for it.
                self._wanted.pop(permit, None)
                self._conversation.look()
            else:
                late = -self.due_in(permit)
                if 0 <= late <= LATE_SECONDS:
                    return permit
                if late > 0:
                    # The machine held this thread up. The more often it does, the more time the next answer gets.
                    by_us = int((self._clock.way_seconds + delay) * 1e6)
                    self._conversation.ask(self._word(permit, verbs.delay(permit, by_us)))
                    delay = min(MOST_DELAY_SECONDS, delay * 2)

    def note_sent(self, permit: Permit) -> None:
        """Note that the call of a permit has left just now; waits for nobody and never raises.

        Args:
            permit: From `wait_until_due`.
        """
        late = -self.due_in(permit)
        if late > SLIP_SECONDS:
            verb = verbs.slip(permit, int(late * 1e6))
            word = Word(lambda: verb, lambda answer: self._lineup.note(permit.lane, answer))
            self._conversation.leave(word, TELL_SLIP_SECONDS)

    def settle(
        self,
        permit: Permit,
        outcome: Outcome,
        *,
        ban_seconds: float | None = None,
        latency_seconds: float | None = None,
    ) -> None:
        """Tell the fleet what became of a permit. Settling one again does nothing.

        Args:
            permit: From `reserve` or `wait_until_due`.
            outcome: `unused` gives the slot back; `throttled` closes the bucket for all. Both are told at once, the
                others within a tenth of a second.
            ban_seconds: How long the API said that it would refuse, if it did; at most an hour is believed.
            latency_seconds: How long the call took; feeds the mean that the view tells.

        Raises:
            LimiterUnavailable: Redis does not answer; the outcome is lost, the pace is kept.
        """
        if permit.settled:
            return
        permit.settled = True
        self._want_no_more(permit)
        joining = self._joining.pop(permit, None)
        if joining is not None and (self._conversation.retract(joining) or not permit.is_placed):
            self._conversation.look()
            return
        verb = verbs.settle(permit, outcome, ban_seconds, latency_seconds)
        word = Word(lambda: verb, lambda answer: self._lineup.note(permit.lane, answer))
        if outcome in (Outcome.OK, Outcome.FAILED):
            self._conversation.tell(word, RIDE_SECONDS)
        else:
            self._conversation.ask(word)

    def _take_in(self, permit: Permit, answer: ScriptAnswer) -> None:
        """Do what an answer says; its thread may read the permit meanwhile, so what tells it to look comes last."""
        permit.born, permit.at_us, permit.waited = answer.born, answer.at, bool(answer.waited)
        permit.epoch, permit.generation, permit.rate_millis = answer.epoch, answer.generation, answer.rate_millis
        self._lineup.note(permit.lane, answer)
        permit.number, permit.granted = answer.number, bool(answer.granted)

    def _forget(self, permit: Permit) -> None:
        verb = verbs.forget(permit)
        self._conversation.leave(Word(lambda: verb, lambda _: None), RIDE_SECONDS)

    def _ahead(self) -> float:
        return AHEAD_SECONDS + 2 * self._clock.way_seconds

    def _together(self, lane: Lane) -> float:
        two = AHEAD_SECONDS + 1.05 * self._lineup.gap_seconds(lane)
        return max(self._ahead(), min(MOST_TOGETHER_SECONDS, max(TOGETHER_SECONDS, two)))

    def _word(self, permit: Permit, verb: verbs.Verb) -> Word:
        return Word(lambda: verb, lambda answer: self._take_in(permit, answer))

    def _join_word(self, permit: Permit) -> Word:
        def take(answer: ScriptAnswer) -> None:
            self._take_in(permit, answer)
            self._joining.pop(permit, None)

        return Word(lambda: verbs.reserve(permit.lane), take)

    def _place(self, permit: Permit) -> None:
        word = self._joining.pop(permit, None)
        if word is None or word.stage is Stage.ANSWERED:
            if permit.is_placed:
                self._conversation.look()
                return
            word = self._join_word(permit)
        self._conversation.ask(word)

    def _has_slot(self, permit: Permit) -> bool:
        return permit.granted and not self._lineup.is_void(permit)

    def _grant_word(self, permit: Permit) -> Word:
        return Word(
            lambda: verbs.grant(permit, int(self._together(permit.lane) * 1e6)),
            lambda answer: self._take_in(permit, answer),
            rank=lambda: (1, permit.lane is not Lane.INTERACTIVE, permit.number),
        )

    def _want(self, permit: Permit) -> None:
        word = self._wanted.get(permit)
        if word is None or word.stage is Stage.ANSWERED:
            self._wanted[permit] = self._grant_word(permit)

    def _grant(self, permit: Permit) -> None:
        word = self._wanted.pop(permit, None)
        if word is None or word.stage is Stage.ANSWERED:
            word = self._grant_word(permit)
        self._conversation.ask(word)

    def _gather(self) -> list[Word]:
        """Return the requests for slots that are due soon, of threads that sleep until they would ask themselves."""
        return [
            word
            for permit, word in list(self._wanted.items())
            if word.stage is Stage.UNSAID and permit.is_placed and self.due_in(permit) <= self._together(permit.lane)
        ]

    def _want_no_more(self, permit: Permit) -> None:
        word = self._wanted.pop(permit, None)
        if word is not None:
            self._conversation.retract(word)
