"""Calls over time and what they may cost."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import NOW, OF_FEW, PASSING, Base


class Circuit(Base):
    """Whether an API account may be called; a row exists once it was ever opened."""

    __tablename__ = "circuits"
    __table_args__ = {"postgresql_with": OF_FEW}  # noqa: RUF012 - SQLAlchemy reads it from the class

    account: Mapped[str] = mapped_column(primary_key=True)
    is_open: Mapped[bool]
    reason: Mapped[str]
    code: Mapped[str]
    message: Mapped[str]
    opened_at: Mapped[datetime]
    last_failed_at: Mapped[datetime]
    next_probe_at: Mapped[datetime]
    probe_job_id: Mapped[int | None]
    failed_probes: Mapped[int] = mapped_column(server_default="0")
    closed_at: Mapped[datetime | None]


class Installation(Base):
    """The one row that names this installation, in its backups too: others may use the same Redis."""

    __tablename__ = "installations"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))


class RestoreRow(Base):
    """That this database went back to a backup: which calls it did not know, and what became of their photos.

    `since` is when the first of them was made, `until` when the last of those that were looked at, `newest_attempt` the
    highest number that any had; `unknown` were for photos that it does not know either.
    """

    __tablename__ = "restores"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    noticed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    newest_attempt: Mapped[int]
    calls: Mapped[int]
    held: Mapped[int]
    unknown: Mapped[int]


class DailyCalls(Base):
    """Calls that an account made on one day (UTC); kept while a daily limit is set."""

    __tablename__ = "daily_calls"
    __table_args__ = {"postgresql_with": OF_FEW}  # noqa: RUF012 - SQLAlchemy reads it from the class

    account: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    calls: Mapped[int]


class CallRate(Base):
    """The calls that were sent within ten seconds."""

    __tablename__ = "call_rates"

    at: Mapped[datetime] = mapped_column(primary_key=True)
    calls: Mapped[int]
    throttled: Mapped[int]
    failed: Mapped[int]


class LedgerDay(Base):
    """What was called, paid and saved for a batch on a day (UTC), by how calls ended; money is in millionths."""

    __tablename__ = "ledger_days"
    __table_args__ = (Index("ix_ledger_days_batch", "batch_id"), {"postgresql_with": OF_FEW})

    day: Mapped[date] = mapped_column(primary_key=True)
    batch_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int]
    paid: Mapped[int]
    maybe_paid: Mapped[int]
    reused: Mapped[int]
    skipped: Mapped[int]
    cost: Mapped[int]
    maybe_cost: Mapped[int]


class LedgerChange(Base):
    """What is still to be added to `ledger_days`."""

    __tablename__ = "ledger_changes"
    __table_args__ = {"postgresql_with": PASSING}  # noqa: RUF012 - SQLAlchemy reads it from the class

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int]
    day: Mapped[date]
    code: Mapped[str]
    calls: Mapped[int]
    paid: Mapped[int]
    maybe_paid: Mapped[int]
    reused: Mapped[int]
    skipped: Mapped[int]
    cost: Mapped[int]
    maybe_cost: Mapped[int]
