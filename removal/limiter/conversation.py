"""What the threads of one process have to say to the bucket, said together.

Whoever has something to say and finds nobody talking says all there is, also for the others, and hands out the answers.
What comes up meanwhile waits for the next round, which one of those who wait begins. What can wait a little rides along
with what somebody has to ask: a thread sleeps that will look before it has waited too long, or else it is said at once.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from removal.limiter.bucket import ScriptAnswer
from removal.limiter.errors import LimiterUnavailable
from removal.limiter.verbs import Verb

log = logging.getLogger(__name__)


class Stage(Enum):
    """Where a word is."""

    UNSAID = auto()
    QUEUED = auto()
    SAID = auto()
    ANSWERED = auto()


class _Waiter:
    """A thread that waits for an answer, or for its turn to speak."""

    __slots__ = ("latch", "leads")

    def __init__(self) -> None:
        self.latch = threading.Lock()
        self.latch.acquire()
        self.leads = False


@dataclass(slots=True, eq=False)
class Word:
    """One verb, said once.

    Attributes:
        verb: Makes the verb when it is said, by what is known then.
        take: Takes the answer; called by whichever thread speaks.
        rank: Where it comes among those that are said together; equal ones in the order in which they came up.
        deadline: Local monotonic seconds until which it may wait for others, if it may.
    """

    verb: Callable[[], Verb]
    take: Callable[[ScriptAnswer], None]
    rank: Callable[[], tuple[int, ...]] = lambda: (0,)
    deadline: float | None = None
    stage: Stage = Stage.UNSAID
    error: LimiterUnavailable | None = None
    waiters: list[_Waiter] = field(default_factory=list, repr=False)


class Conversation:
    """Speaks for all threads of a process, one round after the other.

    Args:
        talk: Says some verbs in one go and returns what each is answered.
        gather: Returns what others will want to say soon and what may as well be said now; called in each round.
    """

    def __init__(
        self, talk: Callable[[Sequence[Verb]], list[ScriptAnswer]], gather: Callable[[], Iterable[Word]]
    ) -> None:
        self._talk = talk
        self._gather = gather
        self._lock = threading.Lock()
        self._words: list[Word] = []
        self._is_talking = False
        self._looks: dict[int, float] = {}

    def ask(self, word: Word) -> None:
        """Say it with all that waits, unless that was done already, and return once it is answered.

        Raises:
            LimiterUnavailable: Redis does not answer.
        """
        with self._lock:
            if word.stage is Stage.UNSAID:
                self._queue(word)
            waiter = self._join(word)
        self._see_through(waiter)
        if word.error is not None:
            raise LimiterUnavailable(str(word.error)) from word.error.__cause__

    def tell(self, word: Word, patience_seconds: float) -> None:
        """Say it within some time, with what others have to ask; at once when nobody will ask by then.

        Raises:
            LimiterUnavailable: It was said at once, and Redis does not answer. What is said later is lost then.
        """
        word.deadline = time.monotonic() + patience_seconds
        with self._lock:
            self._queue(word)
            if self._somebody_looks_by(word.deadline):
                return
        self.ask(word)

    def leave(self, word: Word, patience_seconds: float) -> None:
        """Leave it to whoever next asks, or looks when its time is up; says nothing itself."""
        word.deadline = time.monotonic() + patience_seconds
        with self._lock:
            self._queue(word)

    def plan(self, wake_at: float, sooner: float) -> float:
        """Note that this thread wakes at a moment, in local monotonic seconds, and then asks something or looks.

        Returns:
            When it shall wake: earlier, at `sooner`, when nobody else wakes until then.
        """
        with self._lock:
            if sooner < wake_at and not self._somebody_looks_by(sooner):
                wake_at = sooner
            self._looks[threading.get_ident()] = wake_at
        return wake_at

    def wake(self) -> None:
        """Note that this thread is awake; it asks something or looks soon."""
        with self._lock:
            self._looks.pop(threading.get_ident(), None)

    def look(self) -> None:
        """Say what waits when nobody else will in time."""
        if not self._words:
            return
        with self._lock:
            deadline = min((word.deadline for word in self._words if word.deadline is not None), default=None)
            # What somebody waits for is said in the next round, and all the rest with it.
            if deadline is None or (self._is_talking and any(word.waiters for word in self._words)):
                return
            if self._somebody_looks_by(deadline):
                return
            waiter = self._join(self._words[0])
        self._see_through(waiter)

    def retract(self, word: Word) -> bool:
        """Take a word back and return whether it was never said; one that is being said is waited for."""
        with self._lock:
            if word.stage is Stage.QUEUED and not word.waiters:
                self._words.remove(word)
                word.stage = Stage.UNSAID
            if word.stage is Stage.UNSAID:
                word.stage = Stage.ANSWERED
                return True
            waiter = self._join(word)
        self._see_through(waiter)
        return False

    def _queue(self, word: Word) -> None:
        word.stage = Stage.QUEUED
        self._words.append(word)

    def _somebody_looks_by(self, deadline: float) -> bool:
        return min(self._looks.values(), default=deadline + 1.0) <= deadline

    def _join(self, word: Word) -> _Waiter | None:
        """Return as whom to wait until a word is answered, None when it is; needs the lock."""
        if word.stage is Stage.ANSWERED:
            return None
        waiter = _Waiter()
        if self._is_talking:
            word.waiters.append(waiter)
        else:
            self._is_talking = waiter.leads = True
        return waiter

    def _see_through(self, waiter: _Waiter | None) -> None:
        if waiter is None:
            return
        if not waiter.leads:
            waiter.latch.acquire()
        if waiter.leads:
            self._hold_round()

    def _hold_round(self) -> None:
        words: list[Word] = []
        try:
            with self._lock:
                words = sorted((*self._words, *self._gather()), key=lambda word: word.rank())
                self._words = []
                for word in words:
                    word.stage = Stage.SAID
            # What somebody looked after may have been taken back meanwhile.
            answers = self._talk([word.verb() for word in words]) if words else []
            for word, answer in zip(words, answers, strict=True):
                word.take(answer)
        except LimiterUnavailable as error:
            self._note_failure(words, error)
        except BaseException:
            self._note_failure(words, LimiterUnavailable("the limiter was not asked to the end"))
            raise
        finally:
            self._pass_on(words)

    def _pass_on(self, words: list[Word]) -> None:
        """Let those go whose words are answered, and one of the others speak; nobody else wakes."""
        with self._lock:
            waiting = [waiter for word in words for waiter in word.waiters]
            for word in words:
                word.stage = Stage.ANSWERED
            following = next((word for word in self._words if word.waiters), None)
            if following is None:
                self._is_talking = False
            else:
                speaker = following.waiters.pop(0)
                speaker.leads = True
                speaker.latch.release()
        for waiter in waiting:
            waiter.latch.release()

    @staticmethod
    def _note_failure(words: list[Word], error: LimiterUnavailable) -> None:
        for word in words:
            word.error = error
        lost = sum(word.deadline is not None for word in words)
        if lost:
            log.warning("%s things could not be told to the limiter: %s", lost, error)
