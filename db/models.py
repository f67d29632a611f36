"""The tables. States and moves are in `core.states`; queries live beside this file, by noun."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NOW = text("now()")


class Base(DeclarativeBase):
    """What Alembic compares the database with."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        Decimal: Numeric(20, 6),
        dict[str, Any]: JSONB(),
        list[int]: ARRAY(SmallInteger()),
    }


class Batch(Base):
    """One submission."""

    __tablename__ = "batches"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    source_key: Mapped[str] = mapped_column(index=True)
    lane: Mapped[str]
    state: Mapped[str]
    pause_reason: Mapped[str | None]
    options: Mapped[dict[str, Any]]
    max_calls: Mapped[int | None]
    max_cost: Mapped[Decimal | None]
    calls_made: Mapped[int] = mapped_column(server_default="0")
    cost_reserved: Mapped[Decimal] = mapped_column(server_default="0")
    canary_state: Mapped[str | None]
    callback_url: Mapped[str | None]
    callback_secret: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    finished_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_batches_active", "lane", "id", postgresql_where=text("state = 'active'")),)


class Job(Base):
    """One source image of a batch."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id"))
    state: Mapped[str]
    available_at: Mapped[datetime] = mapped_column(server_default=NOW)
    queued_at: Mapped[datetime | None]
    dispatches: Mapped[int] = mapped_column(server_default="0")
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]
    worker: Mapped[str | None]

    source_uri: Mapped[str]
    item_key: Mapped[str]
    name: Mapped[str]
    sku: Mapped[str | None]
    elements: Mapped[list[int]]
    subject_elements: Mapped[list[int]]
    mask: Mapped[str | None]

    attempts: Mapped[int] = mapped_column(server_default="0")
    snoozes: Mapped[int] = mapped_column(server_default="0")
    rescues: Mapped[int] = mapped_column(server_default="0")
    requeues: Mapped[int] = mapped_column(server_default="0")
    requeued_at: Mapped[datetime | None]
    send_bytes: Mapped[bool] = mapped_column(server_default="false")
    output_url: Mapped[str | None]

    source_sha256: Mapped[str | None]
    content_key: Mapped[str | None]
    content_lease: Mapped[UUID | None]
    source_bytes: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]

    code: Mapped[str | None]
    message: Mapped[str | None]
    artifact_sha256: Mapped[str | None] = mapped_column(ForeignKey("artifacts.sha256"))
    reused_from: Mapped[int | None]
    changed_ratio: Mapped[float | None]
    changed_inside: Mapped[float | None]
    changed_outside: Mapped[float | None]
    is_canary: Mapped[bool] = mapped_column(server_default="false")
    redo_of: Mapped[int | None]
    input_uri: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_jobs_batch_item", "batch_id", "item_key", unique=True),
        Index("ix_jobs_due", "batch_id", "available_at", "id", postgresql_where=text("state = 'pending'")),
        Index("ix_jobs_live", "batch_id", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_jobs_open", "batch_id", postgresql_where=text("state IN ('pending', 'queued', 'running')")),
        Index("ix_jobs_batch_state", "batch_id", "state", "id"),
        Index("ix_jobs_code", "batch_id", "code", "id", postgresql_where=text("code <> '200'")),
        Index("ix_jobs_sku", "batch_id", "sku", "id", postgresql_where=text("sku IS NOT NULL")),
        Index(
            "ix_jobs_canary",
            "batch_id",
            "state",
            "available_at",
            "id",
            postgresql_where=text("is_canary"),
        ),
        Index(
            "ix_jobs_artifact",
            "artifact_sha256",
            postgresql_using="hash",
            postgresql_where=text("artifact_sha256 IS NOT NULL"),
        ),
        Index("ix_jobs_cleaned", "source_uri", postgresql_using="hash", postgresql_where=text("state = 'succeeded'")),
        Index("ix_jobs_content", "content_key", postgresql_where=text("content_key IS NOT NULL")),
        Index("ix_jobs_held", "id", postgresql_where=text("state = 'held'")),
        Index("ix_jobs_redo", "redo_of", postgresql_where=text("redo_of IS NOT NULL")),
    )


class Attempt(Base):
    """One execution of a job; `sent_at` is set when it called the removal API."""

    __tablename__ = "attempts"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), index=True)
    batch_id: Mapped[int]
    lease_token: Mapped[UUID]
    worker: Mapped[str]
    account: Mapped[str | None]
    price: Mapped[Decimal | None]
    counted: Mapped[bool] = mapped_column(server_default="true")
    permit_wait_seconds: Mapped[float | None]
    sent_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answer_class: Mapped[str | None]
    http_status: Mapped[int | None]
    code: Mapped[str | None]
    message: Mapped[str | None]
    request_id: Mapped[str | None]
    latency_seconds: Mapped[float | None]
    bytes_sent: Mapped[int | None]
    bytes_received: Mapped[int | None]
    spend: Mapped[str] = mapped_column(server_default="none")
    raw: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        Index("ix_attempts_batch", "batch_id", "answer_class"),
        Index("ix_attempts_sent", "sent_at", postgresql_using="brin"),
        Index("ix_attempts_open", "job_id", postgresql_where=text("answered_at IS NULL")),
    )


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


class Circuit(Base):
    """Whether an API account may be called; a row exists once it was ever opened."""

    __tablename__ = "circuits"

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

    account: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    calls: Mapped[int]


class BatchCount(Base):
    """How many jobs of a batch are in a state, or how many calls it made; triggers keep it, with `BatchCountChange`."""

    __tablename__ = "batch_counts"

    batch_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    what: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]

    __table_args__ = (Index("ix_batch_counts_what", "what"),)


class BatchCountChange(Base):
    """What is still to be added to `batch_counts`: those who count at the same time do not wait for each other."""

    __tablename__ = "batch_count_changes"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int]
    what: Mapped[str]
    n: Mapped[int]


class Connection(Base):
    """A shop that sends webhooks, under a URL of its own."""

    __tablename__ = "connections"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    platform: Mapped[str]
    shop: Mapped[str]
    secrets: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    options: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    closed_at: Mapped[datetime | None]


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
    """A photo of a shop that was taken in before, in the version it had."""

    __tablename__ = "seen_photos"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connections.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)


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

    __table_args__ = (Index("ix_callbacks_due", "available_at", "id", postgresql_where=text("ended_at IS NULL")),)


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
    """An object of a bucket that was deleted because no output referred to it."""

    __tablename__ = "swept_objects"

    uri: Mapped[str] = mapped_column(primary_key=True)
    swept_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Upload(Base):
    """A photo that was handed in as bytes."""

    __tablename__ = "uploads"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


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


class ProcessRow(Base):
    """A worker, dispatcher or web process that was alive at `seen_at`."""

    __tablename__ = "processes"

    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    is_leader: Mapped[bool] = mapped_column(server_default="false")
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)


class CallRate(Base):
    """The calls that were sent within ten seconds."""

    __tablename__ = "call_rates"

    at: Mapped[datetime] = mapped_column(primary_key=True)
    calls: Mapped[int]
    throttled: Mapped[int]
    failed: Mapped[int]


class Preview(Base):
    """A small picture of a photo or an output, made when somebody looked at it."""

    __tablename__ = "previews"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    side: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


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
