"""Answers that are paid for: written down before their outputs are fetched, so that no crash pays for them again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from db import attempts, circuits
from db.attempts import AttemptResult
from db.jobs import ClaimedJob, must_hold
from db.statements import text


@dataclass(frozen=True, slots=True)
class Paid:
    """An answer that is paid for.

    Args:
        job: Whose.
        attempt_id: The call.
        outcome: How it ended.
        output_url: Where its output is.
    """

    job: ClaimedJob
    attempt_id: int
    outcome: AttemptResult
    output_url: str


def note(connection: Connection, paid: Paid, account: str) -> None:
    """Keep the link of an output that is paid for, until it is collected, and settle its call.

    Raises:
        LeaseLost: Another worker owns the job.
    """
    must_hold(len(note_each(connection, [paid], account)), paid.job)


def note_each(connection: Connection, paid: Sequence[Paid], account: str) -> set[int]:
    """Do the same for many answers in one round trip; return the jobs that are ours.

    The account's circuit is closed, if it is open, by a call that was sent since it opened.

    Args:
        connection: An open transaction.
        paid: The answers.
        account: Who was called for.
    """
    statement = text(
        "SELECT * FROM note_paid(CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:attempt_ids AS bigint[]), "
        "CAST(:urls AS text[]), CAST(:classes AS text[]), CAST(:codes AS text[]), CAST(:messages AS text[]), "
        "CAST(:spends AS text[]), CAST(:statuses AS int[]), CAST(:request_ids AS text[]), "
        "CAST(:latencies AS double precision[]), CAST(:waits AS double precision[]), CAST(:sent AS bigint[]), "
        "CAST(:raws AS text[]), :account)"
    )
    each = sorted(paid, key=lambda one: one.job.id)
    results = [one.outcome for one in each]
    values = {
        "ids": [one.job.id for one in each],
        "tokens": [one.job.lease_token for one in each],
        "attempt_ids": [one.attempt_id for one in each],
        "urls": [one.output_url for one in each],
        "classes": [one.answer_class.value for one in results],
        "codes": [one.code for one in results],
        "messages": [one.message[: attempts.MESSAGE_CHARS] for one in results],
        "spends": [one.spend.value for one in results],
        "statuses": [one.http_status for one in results],
        "request_ids": [one.request_id for one in results],
        "latencies": [one.latency_seconds for one in results],
        "waits": [one.permit_wait_seconds for one in results],
        "sent": [one.bytes_sent for one in results],
        "raws": [one.raw for one in results],
        "account": account,
    }
    rows = connection.execute(statement, values).all()
    if any(each.is_out for each in rows):
        for one in each:
            circuits.close(connection, account, attempt_id=one.attempt_id)
    return {each.job_id for each in rows}
