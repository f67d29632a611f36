"""Everything that is sent to PostgreSQL again and again, by name, to look at how its statements are run.

What is done once for each photo goes in here beside what the dispatcher does: a callable that takes a connection. It
runs in a transaction of its own that is rolled back.
"""

from collections.abc import Callable
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import Connection, text

from core.decision import Decision, Move
from core.states import AnswerClass, Lane, Spend
from db import (
    attempts,
    batches,
    budgets,
    call_rates,
    callbacks,
    canaries,
    cancels,
    chores,
    circuits,
    costs,
    failures,
    jobs,
    listings,
    looks,
    lookups,
    outages,
    overview,
    paid,
    processes,
    queue,
    requeues,
    rescues,
    restores,
    retention,
    success,
    tallies,
    twins,
    writebacks,
)
from db.attempts import AttemptResult
from db.budgets import Tariff
from db.costs import CostsBy
from db.jobs import Changed
from db.paid import Paid
from db.plans import by_key
from db.session import BY_KEY
from db.success import Clean
from db.twins import Noted
from tests.db.rows import ACCOUNT

ROOM = 50
TARIFF = Tariff(Decimal("0.01"), daily_calls=1_000)

_PAID = AttemptResult(AnswerClass.SUCCESS, "200", "", spend=Spend.PAID, latency_seconds=0.1)

Duty = Callable[[Connection], object]


def _keyed(ask: Duty) -> Duty:
    """Return a duty that is asked as the dispatcher does, which has told the planner before."""

    def asked(connection: Connection) -> object:
        by_key(connection)
        return ask(connection)

    return asked


def _unqueue(connection: Connection) -> object:
    return queue.unqueue(connection, queue.list_unclaimed(connection, 0))


def _list_dispatched(connection: Connection) -> object:
    return queue.list_dispatched(connection, [job_id for job_id, _ in queue.list_unclaimed(connection, 0)][:5])


DISPATCHING: dict[str, Duty] = {
    "lead": _keyed(queue.go_on_leading),
    "whether there is anything": _keyed(chores.find),
    "what is due to shops": _keyed(chores.find_errands),
    "window": queue.count_live,
    "fill bulk": lambda connection: queue.queue_due(connection, Lane.BULK, ROOM),
    "fill interactive": lambda connection: queue.queue_due(connection, Lane.INTERACTIVE, ROOM),
    "latency": _keyed(attempts.mean_latency_seconds),
    "circuit": lambda connection: circuits.find_open(connection, ACCOUNT),
    "probe": lambda connection: circuits.queue_probe(connection, ACCOUNT),
    "lost messages": _unqueue,
    "dispatched": _list_dispatched,
    "look back": _keyed(restores.newest_known),
    "rescue": lambda connection: rescues.rescue(connection, lambda _: Decision(Move.RETRY)),
    "settled": batches.finish_settled,
    "stragglers": cancels.cancel_stragglers,
    "requeues": requeues.go_on,
    "counts": tallies.fold,
    "ledger": costs.fold,
    "canary": lambda connection: canaries.judge(connection, 0.2),
    "budget": lambda connection: budgets.resume_affordable(connection, ACCOUNT, TARIFF),
    "call rates": lambda connection: call_rates.record(connection, 90),
    "forgetting": lambda connection: retention.forget_old(connection, 30),
    "callbacks": lambda connection: callbacks.take_due(connection, ROOM),
    "lookups": lambda connection: lookups.take_due(connection, ROOM),
    "write-backs": lambda connection: writebacks.take_due(connection, ROOM),
    "beat": lambda connection: processes.beat(connection, "d", "dispatcher", is_leader=True),
    "leaders": processes.clear_leaders,
    "budget left": lambda connection: budgets.smallest_share_left(connection, Decimal("0.01")),
    "lanes": overview.look_at_lanes,
}
"""What dispatchers do, and what they tell of the fleet."""


def _work_as_a_worker(connection: Connection) -> object:
    for name, value in BY_KEY.items():
        connection.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
    queued = connection.execute(text("SELECT job_id FROM queued_jobs ORDER BY job_id")).scalars()
    asked = {job_id: uuid4() for job_id in queued}
    claimed = list(jobs.claim_each(connection, asked, worker="w", lease_seconds=60).values())
    twins.note_sources(connection, [Noted(job, str(job.id), str(job.id), 1, 600, 600) for job in claimed])
    looks.keep(connection, "a", 1, [])
    looks.find(connection, "a", 1)
    assert not looks.must_call(connection, claimed[0])
    looks.note_bare(connection, claimed[0])
    circuits.close(connection, ACCOUNT)
    called = attempts.open_calls(connection, claimed, worker="w", account=ACCOUNT, price=Decimal(0))
    attempts.withdraw_each(connection, dict.fromkeys(list(called.values())[:1], 1))
    ours = [(job, called[job.id]) for job in claimed if job.id in called]
    paid.note_each(connection, [Paid(*each, _PAID, "https://outputs.example/1") for each in ours], ACCOUNT)
    clean = [Clean(*each, str(each[1]), b"x", "", "JPEG", 1, 1, Changed(0.1), 1) for each in ours]
    success.succeed_each(connection, clean)
    return clean


def _work_alone(connection: Connection) -> object:
    for name, value in BY_KEY.items():
        connection.execute(text("SELECT set_config(:name, :value, true)"), {"name": name, "value": value})
    job_id = connection.execute(text("SELECT job_id FROM queued_jobs ORDER BY job_id")).scalars().first()
    assert job_id is not None
    job = jobs.claim(connection, job_id, worker="w", lease_seconds=60)
    assert job is not None
    jobs.renew(connection, [job.lease_token], lease_seconds=60)
    twins.find_own_output(connection, job, "1", "p")
    twins.how_made(connection, job.id)
    success.has_artifact(connection, job.id, "1")
    attempt_id = attempts.open_call(connection, job, worker="w", account=ACCOUNT)
    assert attempt_id is not None
    attempts.settle(connection, attempt_id, AttemptResult(AnswerClass.PROVIDER_FAULT, "900", ""))
    outages.uncount(connection, [attempt_id])
    return job


WORKING: dict[str, Duty] = {"photos on their way": _work_as_a_worker, "a photo by itself": _work_alone}
"""What a worker writes for some photos at once."""


def _batch(connection: Connection, key: str) -> int:
    return int(connection.execute(text("SELECT id FROM batches WHERE source_key = :key"), {"key": key}).scalar_one())


STEERING: dict[str, Duty] = {
    "pause": lambda connection: batches.pause(connection, _batch(connection, "a2"), "hand"),
    "resume": lambda connection: batches.resume(connection, _batch(connection, "p1")),
    "cancel": lambda connection: cancels.cancel(connection, _batch(connection, "a2")),
    "requeue": lambda connection: requeues.requeue(connection, _batch(connection, "d")),
    "requeue by code": lambda connection: requeues.requeue(connection, _batch(connection, "d"), "802"),
    "held": lambda connection: overview.find_held(connection, after=0, limit=2),
    "waiting": lambda connection: listings.list_jobs(connection, _batch(connection, "a2"), state="pending"),
    "all": lambda connection: listings.list_jobs(connection, _batch(connection, "a2")),
    "why they wait": lambda connection: failures.count_waiting_by_code(connection, _batch(connection, "a2"), 3),
    "tally": lambda connection: tallies.counts(connection, _batch(connection, "a2")),
    "spent": lambda connection: costs.spent(connection, _batch(connection, "a2")),
    "its costs": lambda connection: costs.ledger(connection, batch_id=_batch(connection, "a2"), days=None),
    "costs of today": lambda connection: costs.costs_by(connection, CostsBy.CONNECTION, days=1, limit=5),
}
"""What people and programs do to a batch, of which one has nearly all that wait (`a2`), and one all that died (`d`)."""
