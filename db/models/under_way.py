"""What stands beside jobs while they are in Redis or running, so that their own rows need not be written."""

from datetime import datetime

from sqlalchemy import Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import NOW, PASSING, Base

_PASSING_AND_CHANGING = {**PASSING, "fillfactor": "50"}


class QueuedJob(Base):
    """A pending job whose message is in Redis, until a worker has it.

    `dispatch` is the message's number, above all that messages had while each job counted its own.
    """

    __tablename__ = "queued_jobs"

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    batch_id: Mapped[int]
    dispatch: Mapped[int] = mapped_column(Identity(start=2**32))
    queued_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        Index("ix_queued_jobs_batch", "batch_id", "job_id"),
        {"postgresql_with": PASSING},
    )


class JobNote(Base):
    """What a running job's photo is, and the link of its output once that is paid for.

    When the run ends, a trigger takes it into the job's row. A row without a source is of a job whose source was not
    noted in this run.
    """

    __tablename__ = "job_notes"

    job_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    batch_id: Mapped[int]
    source_sha256: Mapped[str | None]
    content_key: Mapped[str | None]
    source_bytes: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    output_url: Mapped[str | None]

    __table_args__ = (
        Index("ix_job_notes_content", "content_key"),
        {"postgresql_with": _PASSING_AND_CHANGING},
    )
