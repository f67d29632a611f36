"""Shops, programs, and what they are told."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import NOW, Base


class Connection(Base):
    """A shop that sends webhooks, under a URL of its own, and into which clean photos may be put back.

    `api_after` is when its API may be asked next: while somebody asks, and as its limits want it.
    """

    __tablename__ = "connections"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    platform: Mapped[str]
    shop: Mapped[str]
    secrets: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    options: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    closed_at: Mapped[datetime | None]
    writeback: Mapped[str] = mapped_column(server_default="off")
    sealed_token: Mapped[str | None]
    writing_paused: Mapped[str | None]
    api_after: Mapped[datetime] = mapped_column(server_default=NOW)
    api_calls: Mapped[int] = mapped_column(server_default="0")
    api_points: Mapped[int] = mapped_column(server_default="0")
    refused_at: Mapped[datetime | None]
    refused_why: Mapped[str | None]

    __table_args__ = (
        CheckConstraint("writeback IN ('off', 'ask', 'auto')", name="ck_connections_writeback"),
        CheckConstraint("writeback = 'off' OR sealed_token IS NOT NULL", name="ck_connections_token"),
    )


class DeliveryRow(Base):
    """One webhook, as it came."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id"))
    key: Mapped[str]
    topic: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    jobs: Mapped[int] = mapped_column(server_default="0")
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (UniqueConstraint("connection_id", "key"),)


class SeenPhoto(Base):
    """A photo of a shop that was taken in before, in the version it had, and its job, if it needed one."""

    __tablename__ = "seen_photos"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)
    job_id: Mapped[int | None]


class LookupRow(Base):
    """A product whose photos a shop's API is still to be asked for."""

    __tablename__ = "lookups"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id"))
    product: Mapped[str]
    available_at: Mapped[datetime] = mapped_column(server_default=NOW)
    tries: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_lookups_due", "available_at", "id", postgresql_where=text("ended_at IS NULL")),)


class SweptObject(Base):
    """An object of a store that was deleted because no output referred to it; without an end it is being deleted."""

    __tablename__ = "swept_objects"

    uri: Mapped[str] = mapped_column(primary_key=True)
    swept_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]


class Token(Base):
    """A bearer token of the REST API, by its hash."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """A request that took effect, and its answer."""

    __tablename__ = "idempotency_keys"

    token_id: Mapped[int] = mapped_column(ForeignKey("tokens.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class CallbackRow(Base):
    """Something that a shop is to be told."""

    __tablename__ = "callbacks"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int]
    job_id: Mapped[int | None]
    event: Mapped[str]
    available_at: Mapped[datetime] = mapped_column(server_default=NOW)
    tries: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    ended_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None]

    __table_args__ = (Index("ix_callbacks_due", "available_at", "id", postgresql_where=text("ended_at IS NULL")),)


class WritebackRow(Base):
    """A photo of a shop and the place it has there, to be replaced once it is clean."""

    __tablename__ = "writebacks"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id"))
    job_id: Mapped[int]
    key: Mapped[str]
    product: Mapped[str]
    media: Mapped[str]
    photo_url: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="expected")
    available_at: Mapped[datetime] = mapped_column(server_default=NOW)
    tries: Mapped[int] = mapped_column(server_default="0")
    last_error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    sent_sha256: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    original_sha256: Mapped[str | None] = mapped_column(ForeignKey("artifacts.sha256"))
    artifact_sha256: Mapped[str | None]
    written_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        UniqueConstraint("connection_id", "key", "job_id"),
        Index("ix_writebacks_job", "job_id"),
        Index("ix_writebacks_state", "connection_id", "state", "id"),
        Index(
            "ix_writebacks_ended",
            "connection_id",
            "changed_at",
            postgresql_where=text("state IN ('written', 'skipped', 'failed', 'restored')"),
        ),
        Index(
            "ix_writebacks_due",
            "connection_id",
            "available_at",
            "id",
            postgresql_where=text("state IN ('due', 'restoring')"),
        ),
        Index(
            "ix_writebacks_written",
            "connection_id",
            "written_key",
            postgresql_where=text("written_key IS NOT NULL"),
        ),
        CheckConstraint(
            "state IN ('expected', 'clean', 'due', 'written', 'skipped', 'failed', 'restoring', 'restored')",
            name="ck_writebacks_state",
        ),
    )


class ShopProduct(Base):
    """A product that is being written; what its shop tells of it meanwhile is counted, and looked at after."""

    __tablename__ = "shop_products"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    writeback_id: Mapped[int]
    heard: Mapped[int] = mapped_column(server_default="0")
