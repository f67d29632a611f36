"""Counts that triggers keep."""

from sqlalchemy import Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import OF_FEW, PASSING, Base


class BatchCount(Base):
    """How many jobs of a batch are in a state, or how many calls it made; triggers keep it, with `BatchCountChange`."""

    __tablename__ = "batch_counts"

    batch_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    what: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]

    __table_args__ = (Index("ix_batch_counts_what", "what"), {"postgresql_with": OF_FEW})


class BatchCountChange(Base):
    """What is still to be added to `batch_counts`: those who count at the same time do not wait for each other."""

    __tablename__ = "batch_count_changes"
    __table_args__ = {"postgresql_with": PASSING}  # noqa: RUF012 - SQLAlchemy reads it from the class

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int]
    what: Mapped[str]
    n: Mapped[int]
