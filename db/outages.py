"""When the provider is out: seen from the last calls of the whole fleet, asked after by one probe at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from core.states import AnswerClass
from db import circuits, locks
from db.cancels import CALLED_OFF
from db.locks import Space
from db.plans import row
from db.statements import text

REASON = "outage"
LAST_CALLS = 10
FAULTS_OF_LAST = 8
FAULTS_ALONE = 5
FAULTY_PHOTOS = 2
"""One photo that fails again and again is that photo's fault."""
RECENT_SECONDS = 120.0
"""Older calls say nothing about now."""
LOOK_BACK_ROWS = 5000
"""How many attempts may have been opened since one that is answered only now."""


PROBE_SHARE = 0.25
"""Of the outage's length so far, until it is asked about again: what a probe costs is little beside standing still."""


@dataclass(frozen=True, slots=True)
class ProbeRules:
    """How often an outage is asked about.

    Args:
        first_seconds: Until the first probe, and the shortest wait after one that failed.
        cap_seconds: The longest wait.
    """

    first_seconds: float = 2.0
    cap_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A call that failed for the provider's sake."""

    job_id: int
    attempt_id: int
    code: str
    message: str
    answer_class: AnswerClass = AnswerClass.PROVIDER_FAULT


@dataclass(frozen=True, slots=True)
class LastCall:
    """One of the account's last calls, and how it ended."""

    id: int
    job_id: int
    answer_class: AnswerClass
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a fault tells, before anything is written of it.

    Args:
        is_outage: Whether it belongs to an outage.
        others: The calls that showed the outage with it; none when it was known before.
        failed_probes: How many probes failed in a row with it; None when it was no probe's.
        reason: What the circuit is open for; None when it is closed.
    """

    is_outage: bool
    others: tuple[int, ...] = ()
    failed_probes: int | None = None
    reason: str | None = None


def look(connection: Connection, account: str, fault: Fault, is_providers: Callable[[LastCall], bool]) -> Outlook:
    """Say whether a fault belongs to an outage, or shows one; nobody else may say so until the transaction ends.

    Eight of the last ten calls of the account, or the first five there are, must have been faults, and not of a single
    photo. A probe's fault counts against no photo, whatever the circuit is open for.

    Args:
        connection: The transaction in which the fault is settled afterwards, with the others that showed the outage.
        account: Whose calls.
        fault: The newest.
        is_providers: Says of a call whether the provider was at fault.
    """
    locks.hold(connection, Space.ACCOUNT, account)
    circuit = connection.execute(
        text("SELECT is_open, reason, probe_job_id, failed_probes FROM circuits WHERE account = :account"),
        {"account": account},
    ).one_or_none()
    if circuit is not None and circuit.is_open:
        is_probe = circuit.probe_job_id == fault.job_id
        failed_probes = circuit.failed_probes + 1 if is_probe else None
        return Outlook(is_probe or circuit.reason == REASON, (), failed_probes, circuit.reason)
    last = _last_calls(connection, account, fault)
    failed = [each for each in last if is_providers(each)]
    enough = FAULTS_OF_LAST if len(last) == LAST_CALLS else max(FAULTS_ALONE, len(last))
    if len(failed) < enough or len({each.job_id for each in failed}) < FAULTY_PHOTOS:
        return Outlook(is_outage=False)
    return Outlook(is_outage=True, others=tuple(each.id for each in failed if each.id != fault.attempt_id))


def note_fault(connection: Connection, account: str, fault: Fault, rules: ProbeRules, outlook: Outlook) -> None:
    """Open the circuit when a fault shows an outage, or note that a probe failed.

    Those that showed it did not fail for their photos' sake, so they no longer count as attempts, and neither must this
    one.

    Args:
        connection: The transaction in which the fault was settled.
        account: Whose calls.
        fault: The newest; when it was the probe's, it is asked again after a share of the outage's length.
        rules: When to ask.
        outlook: What `look` made of it, before it was settled.
    """
    if outlook.is_outage:
        if outlook.others:
            uncount(connection, outlook.others)
        connection.execute(text("UPDATE attempts SET counted = false WHERE id = :id"), {"id": fault.attempt_id})
    if outlook.failed_probes is not None and outlook.reason == REASON:
        _note_failed_probe(connection, account, fault, rules, outlook.failed_probes)
    elif outlook.failed_probes is not None:
        circuits.put_off_probe(connection, account)
    elif outlook.is_outage and outlook.reason is None:
        _open(connection, account, fault, rules)


def _last_calls(connection: Connection, account: str, fault: Fault) -> list[LastCall]:
    statement = text(
        "SELECT id, job_id, coalesce(answer_class, :class) AS answer_class, coalesce(code, :code) AS code, "
        "coalesce(message, :message) AS message FROM attempts "
        "WHERE id > (SELECT coalesce(max(id), 0) - :rows FROM attempts) AND account = :account AND (id = :id "
        "OR (answered_at > now() - make_interval(secs => :recent) AND answer_class <> 'throttled' "
        "AND code <> 'worker_lost')) AND coalesce(sent_at, created_at) > "
        "coalesce((SELECT closed_at FROM circuits WHERE account = :account), '-infinity') "
        "ORDER BY answered_at DESC NULLS FIRST LIMIT :last"
    )
    values = {
        "account": account,
        "rows": LOOK_BACK_ROWS,
        "recent": RECENT_SECONDS,
        "last": LAST_CALLS,
        # The newest has no answer in its row yet.
        "id": fault.attempt_id,
        "class": fault.answer_class.value,
        "code": fault.code,
        "message": fault.message,
    }
    return [
        LastCall(row.id, row.job_id, AnswerClass(row.answer_class), row.code, row.message)
        for row in connection.execute(statement, values)
    ]


def _open(connection: Connection, account: str, fault: Fault, rules: ProbeRules) -> None:
    statement = text(
        "INSERT INTO circuits (account, is_open, reason, code, message, opened_at, last_failed_at, next_probe_at) "
        "VALUES (:account, true, :reason, :code, :message, clock_timestamp(), now(), "
        "now() + make_interval(secs => :probe)) "
        "ON CONFLICT (account) DO UPDATE SET is_open = true, reason = :reason, code = :code, message = :message, "
        "opened_at = clock_timestamp(), last_failed_at = now(), next_probe_at = now() + make_interval(secs => :probe), "
        "probe_job_id = NULL, failed_probes = 0"
    )
    values = {
        "account": account,
        "reason": REASON,
        "code": fault.code,
        "message": fault.message[:2000],
        "probe": min(rules.first_seconds, rules.cap_seconds),
    }
    connection.execute(statement, values)


def _note_failed_probe(connection: Connection, account: str, fault: Fault, rules: ProbeRules, failed: int) -> None:
    statement = text(
        "UPDATE circuits SET code = :code, message = :message, last_failed_at = now(), failed_probes = :failed, "
        "probe_job_id = NULL, next_probe_at = now() + make_interval(secs => least(:cap, greatest(:first, "
        ":share * extract(epoch FROM now() - opened_at)))) WHERE account = :account"
    )
    values = {
        "account": account,
        "code": fault.code,
        "message": fault.message[:2000],
        "failed": failed,
        "first": rules.first_seconds,
        "cap": rules.cap_seconds,
        "share": PROBE_SHARE,
    }
    connection.execute(statement, values)


def uncount(connection: Connection, attempt_ids: Sequence[int]) -> None:
    """Take attempts back from their jobs; a job that died of one lives again, unless its batch was cancelled since.

    All of these are locked, so no batch ends while its jobs come back to life.
    """
    statement = text(
        "WITH uncounted AS (UPDATE attempts SET counted = false WHERE id = ANY(:ids) AND counted "  # noqa: S608
        "RETURNING job_id, id, code), per_job AS (SELECT job_id, count(*) AS n, max(id) AS last_id, "
        "(array_agg(code ORDER BY id DESC))[1] AS code FROM uncounted GROUP BY job_id), "
        f"died AS (SELECT j.id FROM per_job CROSS JOIN LATERAL ({row('*', 'jobs', 'per_job.job_id')}) AS j "
        f"CROSS JOIN LATERAL ({row('*', 'batches', 'j.batch_id')}) AS b "
        f"WHERE j.state = 'dead' AND j.code = per_job.code AND NOT {CALLED_OFF} "
        "AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.job_id = j.id AND a.id > per_job.last_id)), "
        "taken_back AS (UPDATE jobs AS j SET attempts = greatest(0, j.attempts - n), "
        "state = CASE WHEN j.id IN (SELECT id FROM died) THEN 'pending' ELSE j.state END, "
        "available_at = CASE WHEN j.id IN (SELECT id FROM died) THEN clock_timestamp() ELSE j.available_at END, "
        "finished_at = CASE WHEN j.id IN (SELECT id FROM died) THEN NULL ELSE j.finished_at END "
        "FROM per_job WHERE j.id = ANY(ARRAY(SELECT job_id FROM per_job)) AND j.id = per_job.job_id "
        "RETURNING j.id, j.batch_id) "
        "UPDATE batches SET state = 'active', finished_at = NULL WHERE state = 'finished' AND id IN "
        "(SELECT batch_id FROM taken_back WHERE id IN (SELECT id FROM died))"
    )
    connection.execute(statement, {"ids": list(attempt_ids)})
