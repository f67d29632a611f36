"""Outputs, and their bytes."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import NOW, Base


class Artifact(Base):
    """Verified output bytes, once per content."""

    __tablename__ = "artifacts"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    uri: Mapped[str]
    size_bytes: Mapped[int]
    format: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class ArtifactBytes(Base):
    """The bytes themselves, when PostgreSQL is the store."""

    __tablename__ = "artifact_bytes"

    sha256: Mapped[str] = mapped_column(ForeignKey("artifacts.sha256", ondelete="CASCADE"), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
