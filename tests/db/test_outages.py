"""An outage is seen from the last calls, costs no attempt, and is asked about more and more rarely."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy import Engine, text

from core.states import AnswerClass, Lane, Spend
from db import attempts, batches, cancels, circuits, jobs, outages, queue, reviews
from db.attempts import AttemptResult
from db.outages import Fault, ProbeRules
from removal.providers.aidge import Aidge
from tests.db.rows import ACCOUNT, call, claim, make_batch, put, rescue, state_of
from worker.circuit import AccountHealth

GOOD = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.0)
RULES = ProbeRules(first_seconds=2.0, cap_seconds=10.0)
HEALTH = AccountHealth(ACCOUNT, RULES, Aidge.kind_of)
FAULTS = [
    (AnswerClass.PROVIDER_FAULT, "801"),
    (AnswerClass.PROVIDER_FAULT, "503"),
    (AnswerClass.PROVIDER_FAULT, "connect_error"),
    (AnswerClass.MAYBE_BILLED, "read_timeout"),
    (AnswerClass.UNKNOWN, "html"),
]


class Fleet:
    """Workers that claim, call, and write down how it ended, one after the other."""

    def __init__(self, engine: Engine, photos: int) -> None:
        self.engine = engine
        self.ids = make_batch(engine, photos, queued=True)
        self.place = 0

    def open(self) -> tuple[int, int] | None:
        job_id = self.ids[self.place]
        self.place += 1
        attempt_id = call(self.engine, job_id)
        return None if attempt_id is None else (job_id, attempt_id)

    def succeed(self) -> None:
        opened = self.open()
        assert opened is not None
        with self.engine.begin() as connection:
            attempts.settle(connection, opened[1], GOOD)
            circuits.close(connection, ACCOUNT, attempt_id=opened[1])

    def fail(
        self,
        opened: tuple[int, int] | None = None,
        answer: tuple[AnswerClass, str] = (AnswerClass.PROVIDER_FAULT, "801"),
        state: str = "pending",
    ) -> bool:
        """Let a call fail as the worker writes it down; return whether that was the provider's outage."""
        opened = opened or self.open()
        assert opened is not None
        job_id, attempt_id = opened
        fault = Fault(job_id, attempt_id, answer[1], "down", answer[0])
        outcome = AttemptResult(*answer, "down", latency_seconds=0.0)
        with self.engine.begin() as connection:
            outlook = outages.look(connection, ACCOUNT, fault, HEALTH.is_providers)
            attempts.settle(connection, attempt_id, outcome, others=outlook.others)
            outages.note_fault(connection, ACCOUNT, fault, RULES, outlook)
            is_outage = outlook.is_outage
            put(connection, "pending" if is_outage else state, f"id = {job_id}", code=answer[1])
            spent = text("UPDATE jobs SET attempts = attempts + :spent WHERE id = :id")
            connection.execute(spent, {"id": job_id, "spent": 0 if is_outage else 1})
        return is_outage

    def circuit(self) -> circuits.OpenCircuit | None:
        with self.engine.connect() as connection:
            return circuits.find_open(connection, ACCOUNT)

    def attempts_spent(self) -> int:
        with self.engine.connect() as connection:
            counted = connection.execute(text("SELECT count(*) FROM attempts WHERE counted AND code <> '200'"))
            spent = connection.execute(text("SELECT sum(attempts) FROM jobs")).scalar_one()
            assert spent == counted.scalar_one()
        return int(spent)

    def let_probe_be_due(self, lasted_seconds: float = 0) -> None:
        """Let the next one go out at once, in an outage that has lasted so long."""
        with self.engine.begin() as connection:
            connection.execute(
                text("UPDATE circuits SET next_probe_at = now(), opened_at = now() - make_interval(secs => :lasted)"),
                {"lasted": lasted_seconds},
            )

    def seconds_to_probe(self) -> float:
        with self.engine.connect() as connection:
            wait = connection.execute(text("SELECT extract(epoch FROM next_probe_at - last_failed_at) FROM circuits"))
            return float(wait.scalar_one())


@pytest.mark.parametrize("answer", FAULTS)
def test_an_outage_from_the_start_is_seen_after_five_calls_and_costs_no_attempt(
    engine: Engine, answer: tuple[AnswerClass, str]
) -> None:
    fleet = Fleet(engine, 10)
    assert [fleet.fail(answer=answer) for _ in range(5)] == [False, False, False, False, True]
    circuit = fleet.circuit()
    assert circuit is not None
    assert (circuit.reason, circuit.code) == ("outage", answer[1])
    assert fleet.attempts_spent() == 0
    assert fleet.open() is None, "nobody else calls"


def test_an_outage_in_the_middle_is_seen_when_eight_of_ten_calls_failed(engine: Engine) -> None:
    fleet = Fleet(engine, 40)
    for _ in range(20):
        fleet.succeed()
    assert [fleet.fail() for _ in range(8)] == [False] * 7 + [True]
    assert fleet.attempts_spent() == 0


def test_every_other_call_failing_is_no_outage(engine: Engine) -> None:
    fleet = Fleet(engine, 60)
    for _ in range(20):
        fleet.succeed()
        assert not fleet.fail()
    assert fleet.attempts_spent() == 20


def test_one_photo_that_always_fails_is_no_outage(engine: Engine) -> None:
    fleet = Fleet(engine, 1)
    for _ in range(12):
        fleet.place = 0
        with engine.begin() as connection:
            put(connection, "queued")
        assert not fleet.fail()
    assert fleet.attempts_spent() == 12


@pytest.mark.parametrize(
    "answer",
    [(AnswerClass.PROVIDER_FAULT, "1001"), (AnswerClass.PROVIDER_FAULT, "1002"), (AnswerClass.THROTTLED, "501")],
)
def test_answers_about_single_photos_are_no_outage(engine: Engine, answer: tuple[AnswerClass, str]) -> None:
    fleet = Fleet(engine, 20)
    assert not any(fleet.fail(answer=answer) for _ in range(20))


def test_workers_that_were_killed_are_no_outage(engine: Engine) -> None:
    fleet = Fleet(engine, 12)
    for _ in range(11):
        assert fleet.open() is not None
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'"))
        assert len(rescue(connection)) == 11
    assert not fleet.fail()


def test_calls_that_are_on_the_way_when_the_circuit_opens_cost_no_attempt_either(engine: Engine) -> None:
    fleet = Fleet(engine, 12)
    on_the_way = [fleet.open() for _ in range(10)]
    assert [fleet.fail(opened) for opened in on_the_way] == [False] * 4 + [True] * 6
    assert fleet.attempts_spent() == 0


def test_a_photo_that_died_of_the_outage_lives_again_and_so_does_its_batch(engine: Engine) -> None:
    fleet = Fleet(engine, 5)
    for _ in range(4):
        fleet.fail(state="dead")
    with engine.begin() as connection:
        connection.execute(text("UPDATE batches SET state = 'finished', finished_at = now()"))
        put(connection, "dead", f"id = {fleet.ids[4]}")
    other = Fleet(engine, 1)
    assert other.fail()
    with engine.connect() as connection:
        states = connection.execute(text("SELECT state FROM jobs WHERE batch_id = 1 ORDER BY id")).scalars().all()
        assert states == ["pending"] * 4 + ["dead"]
        assert connection.execute(text("SELECT state FROM batches WHERE id = 1")).scalar_one() == "active"


def test_one_probe_at_a_time_asks_more_and_more_rarely_and_a_good_one_closes(engine: Engine) -> None:
    fleet = Fleet(engine, 30)
    while not fleet.fail():
        pass
    waits = [fleet.seconds_to_probe()]
    for lasted in (4, 12, 30, 120):
        fleet.let_probe_be_due(lasted)
        probe = fleet.open()
        assert probe is not None
        assert fleet.open() is None
        assert fleet.fail(probe)
        waits.append(fleet.seconds_to_probe())
    # A quarter of what it has lasted: when it ends after half a minute, calls go on within 8 s.
    assert waits == pytest.approx([2, 2, 3, 7.5, 10], abs=0.3)
    assert fleet.attempts_spent() == 0
    fleet.let_probe_be_due()
    fleet.succeed()
    assert fleet.circuit() is None
    assert not fleet.fail(), "what failed before the outage ended says nothing any more"


def test_a_success_from_before_the_outage_does_not_end_it(engine: Engine) -> None:
    fleet = Fleet(engine, 10)
    slow = fleet.open()
    assert slow is not None
    while not fleet.fail():
        pass
    with engine.begin() as connection:
        attempts.settle(connection, slow[1], GOOD)
        assert not circuits.close(connection, ACCOUNT, attempt_id=slow[1])
    assert fleet.circuit() is not None


def test_a_refused_account_is_not_taken_for_an_outage(engine: Engine) -> None:
    fleet = Fleet(engine, 10)
    on_the_way = [fleet.open() for _ in range(6)]
    with engine.begin() as connection:
        circuits.trip(connection, ACCOUNT, reason="account", code="NoResource", message="empty")
    assert not any(fleet.fail(opened) for opened in on_the_way)
    circuit = fleet.circuit()
    assert circuit is not None
    assert circuit.reason == "account"


def test_revived_jobs_are_not_left_in_a_batch_that_is_being_finished(engine: Engine) -> None:
    fleet = Fleet(engine, 5)
    for _ in range(4):
        fleet.fail(state="dead")
    opened = fleet.open()
    assert opened is not None
    with engine.begin() as connection:
        other = batches.create(connection, name="o", source_key="o", lane=Lane.BULK, options="{}")
        connection.execute(text("UPDATE jobs SET batch_id = :b WHERE id = :id"), {"b": other, "id": opened[0]})
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as finishing:
            assert batches.finish_settled(finishing) == [1]
            failing = pool.submit(fleet.fail, opened)
            wait([failing], timeout=0.3)
        assert failing.result(timeout=60)
    with engine.connect() as connection:
        states = connection.execute(
            text("SELECT DISTINCT j.state, b.state FROM jobs AS j JOIN batches AS b ON b.id = j.batch_id")
        )
        assert {tuple(row) for row in states} == {("pending", "active")}


def test_an_outage_does_not_revive_what_a_person_rejected(engine: Engine) -> None:
    fleet = Fleet(engine, 6)
    fleet.fail(answer=(AnswerClass.MAYBE_BILLED, "read_timeout"), state="held")
    with engine.begin() as connection:
        assert reviews.reject(connection, [fleet.ids[0]])[0].state == "dead"
    assert [fleet.fail() for _ in range(4)] == [False, False, False, True]
    assert state_of(engine, fleet.ids[0]) == "dead"


def in_outage(engine: Engine) -> tuple[Fleet, int]:
    """Return a fleet whose provider is out, and the job whose call is to find out whether it still is."""
    fleet = Fleet(engine, 8)
    for _ in range(5):
        fleet.fail()
    with engine.begin() as connection:
        circuits.probe_now(connection, ACCOUNT)
    with engine.begin() as connection:
        probe = circuits.queue_probe(connection, ACCOUNT)
    assert probe is not None
    return fleet, probe[0]


@pytest.mark.parametrize("how", ["its time is over", "somebody came to look"])
def test_while_a_probe_is_out_there_is_no_other(engine: Engine, how: str) -> None:
    fleet, probe = in_outage(engine)
    attempt_id = call(engine, probe)
    assert attempt_id is not None
    with engine.begin() as connection:
        if how == "somebody came to look":
            circuits.probe_now(connection, ACCOUNT)
        connection.execute(text("UPDATE circuits SET next_probe_at = next_probe_at - interval '60 s'"))
    circuit = fleet.circuit()
    assert circuit is not None
    assert not circuit.probe_due
    assert fleet.open() is None
    fleet.fail((probe, attempt_id), answer=(AnswerClass.MAYBE_BILLED, "read_timeout"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT failed_probes FROM circuits")).scalar_one() == 1


@pytest.mark.parametrize("how", ["its batch is paused", "it is withdrawn", "its worker fell silent"])
def test_a_probe_that_ends_without_an_answer_makes_room_within_a_second(engine: Engine, how: str) -> None:
    fleet, probe = in_outage(engine)
    job = claim(engine, probe)
    assert job is not None
    with engine.begin() as connection:
        if how == "its batch is paused":
            batches.pause(connection, 1, "hand")
    with engine.begin() as connection:
        attempt_id = attempts.open_call(connection, job, worker="w", account=ACCOUNT)
        assert (attempt_id is None) == (how == "its batch is paused")
    with engine.begin() as connection:
        if how == "its worker fell silent":
            connection.execute(
                text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'")
            )
        else:
            if attempt_id is not None:
                attempts.withdraw(connection, attempt_id)
            jobs.give_back(connection, job, delay_seconds=1, spent=0)
        connection.execute(text("UPDATE circuits SET next_probe_at = next_probe_at - interval '1 s'"))
    circuit = fleet.circuit()
    assert circuit is not None
    assert circuit.probe_due


def test_an_outage_brings_back_no_photo_of_a_batch_that_was_cancelled_since(engine: Engine) -> None:
    fleet = Fleet(engine, 5)
    assert [fleet.fail(state="dead") for _ in range(4)] == [False] * 4
    last = fleet.open()
    with engine.begin() as connection:
        assert cancels.cancel(connection, 1) == 0
    assert fleet.fail(last)
    assert [state_of(engine, job_id) for job_id in fleet.ids[:4]] == ["dead"] * 4


def test_a_probe_whose_message_was_lost_may_be_the_next_one_too(engine: Engine) -> None:
    fleet, probe = in_outage(engine)
    with engine.begin() as connection:
        found = text("SELECT dispatch FROM queued_jobs WHERE job_id = :id")
        dispatch = connection.execute(found, {"id": probe}).scalar_one()
        # It has waited longest, or is all that is left.
        connection.execute(text("UPDATE jobs SET available_at = now() - interval '1 h' WHERE id = :id"), {"id": probe})
        assert queue.unqueue(connection, [(probe, dispatch)])
        connection.execute(text("UPDATE circuits SET next_probe_at = next_probe_at - interval '60 s'"))
    circuit = fleet.circuit()
    assert circuit is not None
    assert circuit.probe_due
    with engine.begin() as connection:
        probed, new_dispatch = circuits.queue_probe(connection, ACCOUNT) or (0, 0)
        assert probed == probe
        assert new_dispatch > dispatch
