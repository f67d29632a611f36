"""People, what they did, and what the console keeps for them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Double,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import NOW, OF_FEW, Base


class User(Base):
    """A person who may use the console."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password_hash: Mapped[str | None]
    form_key: Mapped[str] = mapped_column(server_default=text("gen_random_uuid()"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    closed_at: Mapped[datetime | None]


class UserSession(Base):
    """A browser that is signed in, by the hash of what its cookie holds."""

    __tablename__ = "user_sessions"

    hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)


class SignInLink(Base):
    """A link that signs a person in once, by the hash of what it holds."""

    __tablename__ = "sign_in_links"

    hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]


class AuditRow(Base):
    """Something that somebody did."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    detail: Mapped[str]

    __table_args__ = (Index("ix_audit_actor", "actor", "id"),)


class AcknowledgementRow(Base):
    """That somebody knows of an alarm, as it was when `covers` was the last of what it told of."""

    __tablename__ = "acknowledgements"

    name: Mapped[str] = mapped_column(primary_key=True)
    acknowledged_by: Mapped[str]
    acknowledged_at: Mapped[datetime] = mapped_column(server_default=NOW)
    until: Mapped[datetime | None]
    covers: Mapped[datetime | None]
    weight: Mapped[float] = mapped_column(Double())


class ProcessRow(Base):
    """A worker, dispatcher or web process that was alive at `seen_at`."""

    __tablename__ = "processes"
    __table_args__ = {"postgresql_with": OF_FEW}  # noqa: RUF012 - SQLAlchemy reads it from the class

    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    is_leader: Mapped[bool] = mapped_column(server_default="false")
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Preview(Base):
    """A small picture of a photo or an output, made when somebody looked at it."""

    __tablename__ = "previews"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class FindingsRow(Base):
    """What was found on a photo or an output, by one way of looking; it is looked at once ever."""

    __tablename__ = "findings"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(SmallInteger(), primary_key=True, autoincrement=False)
    found: Mapped[list[Any]] = mapped_column(JSONB())


class Draft(Base):
    """What was dropped into the console and is not confirmed yet."""

    __tablename__ = "drafts"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    kind: Mapped[str]
    options: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class DraftFile(Base):
    """A file of a draft."""

    __tablename__ = "draft_files"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    draft_id: Mapped[UUID] = mapped_column(ForeignKey("drafts.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)
