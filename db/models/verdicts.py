"""What people decided about photos of a batch, and the samples by which they sign one off."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import NOW, Base


class DecisionRow(Base):
    """A decision about many photos, with how their rows were before: so it can be taken back for a moment."""

    __tablename__ = "decisions"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    batch_id: Mapped[int]
    decided_by: Mapped[str]
    decided_at: Mapped[datetime] = mapped_column(server_default=NOW)
    before: Mapped[dict[str, Any]]

    __table_args__ = (Index("ix_decisions_decided_at", "decided_at"),)


class FlagRow(Base):
    """A photo that somebody wants looked at; where it stands stays as it is."""

    __tablename__ = "flags"

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    batch_id: Mapped[int]
    flagged_by: Mapped[str]
    reason: Mapped[str]
    flagged_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (Index("ix_flags_batch", "batch_id", "job_id"),)


class RejectedOutput(Base):
    """An output that a job had when it was rejected: people may still look at it, and nothing else uses it."""

    __tablename__ = "rejected_outputs"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int]
    sha256: Mapped[str]
    rejected_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (Index("ix_rejected_outputs_job", "job_id", "id"),)


class SampleRow(Base):
    """Photos drawn at random from the clean ones of a batch, and what somebody who looked at them signed.

    `most_bad` is the share of the batch that is bad at most, with the confidence beside it.
    """

    __tablename__ = "samples"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int]
    population: Mapped[int]
    job_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    drawn_by: Mapped[str]
    drawn_at: Mapped[datetime] = mapped_column(server_default=NOW)
    bad_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    confidence: Mapped[float | None]
    most_bad: Mapped[float | None]
    signed_by: Mapped[str | None]
    signed_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_samples_batch", "batch_id", "id"),)
