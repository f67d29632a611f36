"""What was tried for a job."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from core.settings import SANDBOX_KEY
from db.statements import text


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt as it was; `is_free` says that the sandbox was called, and its price was not paid."""

    id: int
    sent_at: datetime | None
    answered_at: datetime | None
    answer_class: str | None
    code: str | None
    message: str | None
    http_status: int | None
    request_id: str | None
    latency_seconds: float | None
    spend: str
    price: Decimal | None
    counted: bool
    worker: str
    raw: str | None
    is_free: bool


def list_attempts(connection: Connection, job_id: int) -> list[AttemptRow]:
    """Return every attempt of a job, oldest first."""
    statement = text(
        "SELECT id, sent_at, answered_at, answer_class, code, message, http_status, request_id, latency_seconds, "
        "spend, price, counted, worker, raw, account IS NOT DISTINCT FROM :free AS is_free FROM attempts "
        "WHERE job_id = :id ORDER BY id"
    )
    return [AttemptRow(*row) for row in connection.execute(statement, {"id": job_id, "free": SANDBOX_KEY})]
