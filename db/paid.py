"""Answers that are paid for: written down before their outputs are fetched, so that no crash pays for them again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from db import attempts, circuits
from db.attempts import AttemptResult
from db.jobs import ClaimedJob, must_hold
from db.plans import row
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
    """Do the same for many answers in one statement; return the jobs that are ours.

    The account's circuit is closed, if it is open, by a call that was sent since it opened.

    Args:
        connection: An open transaction.
        paid: The answers.
        account: Who was called for.
    """
    statement = text(
        f"""
        WITH paid AS MATERIALIZED (
            SELECT * FROM unnest(
                CAST(:ids AS bigint[]), CAST(:tokens AS uuid[]), CAST(:attempt_ids AS bigint[]), CAST(:urls AS text[]),
                CAST(:classes AS text[]), CAST(:codes AS text[]), CAST(:messages AS text[]), CAST(:spends AS text[]),
                CAST(:statuses AS int[]), CAST(:request_ids AS text[]), CAST(:latencies AS double precision[]),
                CAST(:waits AS double precision[]), CAST(:sent AS bigint[]), CAST(:raws AS text[])
            ) AS t (
                id, token, attempt_id, url, answer_class, code, message, spend, http_status, request_id,
                latency_seconds, permit_wait_seconds, bytes_sent, raw
            )
        ), ours AS MATERIALIZED (
            SELECT paid.*, j.place FROM paid CROSS JOIN LATERAL (
                {row("ctid AS place", "jobs", "paid.id", "lease_token = paid.token AND state = 'running'")}
                FOR NO KEY UPDATE
            ) AS j
        ), noted AS (
            UPDATE jobs AS j SET output_url = ours.url FROM ours WHERE j.ctid = ours.place RETURNING j.id
        ), open AS MATERIALIZED (
            SELECT ours.*, f.place AS attempt_place FROM ours JOIN noted ON noted.id = ours.id CROSS JOIN LATERAL (
                {row("ctid AS place", "attempts", "ours.attempt_id", "answered_at IS NULL")} FOR NO KEY UPDATE
            ) AS f
        ), settled AS (
            UPDATE attempts AS a SET answered_at = clock_timestamp(), answer_class = open.answer_class,
                code = open.code, message = open.message, spend = open.spend, http_status = open.http_status,
                request_id = open.request_id, latency_seconds = open.latency_seconds,
                permit_wait_seconds = open.permit_wait_seconds, bytes_sent = open.bytes_sent, raw = open.raw,
                sent_at = clock_timestamp() - make_interval(secs => coalesce(open.latency_seconds, 0))
            FROM open WHERE a.ctid = open.attempt_place
        )
        SELECT id, EXISTS (SELECT 1 FROM circuits WHERE account = :account AND is_open) AS is_open FROM noted
        """  # noqa: S608
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
    if any(each.is_open for each in rows):
        for one in each:
            circuits.close(connection, account, attempt_id=one.attempt_id)
    return {each.id for each in rows}
