"""Calls over time and what they may cost."""

from datetime import date, datetime

from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import OF_FEW, Base


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
