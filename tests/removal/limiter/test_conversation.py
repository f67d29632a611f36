"""What the threads of a process say to the bucket goes together, in order, and nothing is held back."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from removal.limiter.bucket import ScriptAnswer
from removal.limiter.conversation import Conversation, Word
from removal.limiter.errors import LimiterUnavailable
from removal.limiter.verbs import Verb

LONG = 3600.0
ANSWER = ScriptAnswer(*range(14))


class Talks:
    """A bucket that keeps what it was told and answers when it is let."""

    def __init__(self) -> None:
        self.rounds: list[list[Verb]] = []
        self.fails = False
        self.may_answer = threading.Semaphore(0)
        self.is_asked = threading.Semaphore(0)

    def talk(self, verbs: Sequence[Verb]) -> list[ScriptAnswer]:
        self.rounds.append(list(verbs))
        self.is_asked.release()
        assert self.may_answer.acquire(timeout=60)
        if self.fails:
            raise LimiterUnavailable("no Redis") from OSError("gone")
        return [ANSWER._replace(number=len(verb)) for verb in verbs]


@pytest.fixture
def talks() -> Talks:
    return Talks()


@pytest.fixture
def soon() -> list[Word]:
    """What others will want to say soon."""
    return []


@pytest.fixture
def conversation(talks: Talks, soon: list[Word]) -> Conversation:
    def gather() -> list[Word]:
        words, soon[:] = soon[:], []
        return words

    return Conversation(talks.talk, gather)


@pytest.fixture
def start() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Starts threads, which must have ended by the end of the test."""
    threads: list[threading.Thread] = []

    def run(work: Callable[[], object]) -> threading.Thread:
        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        return threads[-1]

    yield run
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def word(name: str, answers: list[str] | None = None, rank: int = 0) -> Word:
    return Word(lambda: (name,), lambda _: (answers if answers is not None else []).append(name), lambda: (rank,))


def until(holds: Callable[[], object]) -> None:
    while not holds():
        time.sleep(0.001)


Start = Callable[[Callable[[], object]], threading.Thread]


def test_whoever_comes_while_somebody_speaks_goes_together_in_the_next_round(
    conversation: Conversation, talks: Talks, start: Start
) -> None:
    answers: list[str] = []
    start(lambda: conversation.ask(word("first", answers)))
    assert talks.is_asked.acquire(timeout=60)
    for name in "abc":
        start(lambda name=name: conversation.ask(word(name, answers)))  # type: ignore[misc]
        until(lambda name=name: any(each.verb() == (name,) for each in conversation._words))  # type: ignore[misc]
    talks.may_answer.release(2)
    until(lambda: len(answers) == 4)
    assert talks.rounds == [[("first",)], [("a",), ("b",), ("c",)]]
    assert answers == ["first", "a", "b", "c"]


def test_slots_are_asked_for_last_and_in_the_order_of_the_queue(
    conversation: Conversation, talks: Talks, soon: list[Word]
) -> None:
    talks.may_answer.release()
    soon += [word("third", rank=3), word("settle"), word("first", rank=1)]
    conversation.ask(word("second", rank=2))
    assert talks.rounds == [[("settle",), ("first",), ("second",), ("third",)]]


def test_what_has_time_is_told_at_once_when_nobody_looks(conversation: Conversation, talks: Talks) -> None:
    talks.may_answer.release()
    conversation.tell(word("end"), LONG)
    assert talks.rounds == [[("end",)]]


def test_what_has_time_rides_along_when_somebody_looks_in_time(conversation: Conversation, talks: Talks) -> None:
    conversation.plan(time.monotonic() + LONG, time.monotonic() + LONG)
    conversation.tell(word("end"), 2 * LONG)
    assert talks.rounds == []
    conversation.wake()
    talks.may_answer.release()
    conversation.ask(word("slot"))
    assert talks.rounds == [[("end",), ("slot",)]]
    conversation.look()
    assert len(talks.rounds) == 1


def test_who_wakes_last_tells_what_waits(conversation: Conversation, talks: Talks, start: Start) -> None:
    conversation.plan(time.monotonic() + LONG, time.monotonic() + LONG)
    start(lambda: conversation.plan(time.monotonic() + LONG, time.monotonic() + LONG)).join()
    conversation.tell(word("end"), 2 * LONG)
    conversation.wake()
    conversation.look()
    assert talks.rounds == []  # the other one wakes in time
    conversation.plan(time.monotonic() + 3 * LONG, time.monotonic() + 3 * LONG)
    conversation._looks = {0: time.monotonic() + 3 * LONG}
    talks.may_answer.release()
    conversation.look()
    assert talks.rounds == [[("end",)]]


def test_one_sleeper_wakes_early_for_the_others(conversation: Conversation, start: Start) -> None:
    now = time.monotonic()
    assert conversation.plan(now + 10 * LONG, now + LONG) == now + LONG
    woken: list[float] = []
    start(lambda: woken.append(conversation.plan(now + 10 * LONG, now + LONG))).join()
    assert woken == [now + 10 * LONG]


def test_no_redis_fails_all_who_asked_and_the_next_round_goes_on(
    conversation: Conversation, talks: Talks, start: Start
) -> None:
    talks.fails = True
    failed: list[BaseException | None] = []

    def ask(name: str) -> None:
        try:
            conversation.ask(word(name))
        except LimiterUnavailable as error:
            failed.append(error.__cause__)

    start(lambda: ask("a"))
    assert talks.is_asked.acquire(timeout=60)
    others = [start(lambda: ask("b")), start(lambda: ask("c"))]
    until(lambda: len(conversation._words) == 2)
    talks.may_answer.release(2)
    for other in others:
        other.join(60)
    assert [type(cause) for cause in failed] == [OSError] * 3
    talks.fails = False
    talks.may_answer.release()
    conversation.ask(word("d"))
    assert talks.rounds[-1] == [("d",)]


def test_what_is_being_said_cannot_be_taken_back(conversation: Conversation, talks: Talks, start: Start) -> None:
    unsaid, said, answers = word("unsaid"), word("said"), list[str]()
    assert conversation.retract(unsaid)
    said.take = lambda _: answers.append("taken in")
    start(lambda: conversation.ask(said))
    assert talks.is_asked.acquire(timeout=60)

    def take_back() -> None:
        conversation.retract(said)
        answers.append("taken back")

    start(take_back)
    until(lambda: len(said.waiters) == 1)
    talks.may_answer.release()
    until(lambda: len(answers) == 2)
    assert answers == ["taken in", "taken back"]
    assert talks.rounds == [[("said",)]]
