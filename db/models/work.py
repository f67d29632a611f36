"""Batches, their jobs, and what came of them."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.schema import BEGINS, CLOCK, NOW, OF_FEW, OF_MANY, OF_MANY_GROWING, Base, begins_with

NOT_LIVE = "state || '' NOT IN ('queued', 'running')"


class Batch(Base):
    """One submission.

    `paused_at` is written by a trigger; `canary_overridden_by` is who let it go on though its canary failed.
    `cancelled_at` is when it was cancelled last, though it may have been reopened since; `is_clearing` while jobs that
    the cancel found are still to be cancelled. `has_unlooked` says that some of its photos were to be looked at before
    they are called for, and nobody could. `made_by` is who handed it in: a person, a token or a shop's connection.
    """

    __tablename__ = "batches"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    source_key: Mapped[str] = mapped_column(index=True)
    lane: Mapped[str]
    state: Mapped[str]
    pause_reason: Mapped[str | None]
    paused_at: Mapped[datetime | None]
    options: Mapped[dict[str, Any]]
    max_calls: Mapped[int | None]
    max_cost: Mapped[Decimal | None]
    calls_made: Mapped[int] = mapped_column(server_default="0")
    cost_reserved: Mapped[Decimal] = mapped_column(server_default="0")
    canary_state: Mapped[str | None]
    canary_overridden_by: Mapped[str | None]
    callback_url: Mapped[str | None]
    callback_secret: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    finished_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    is_clearing: Mapped[bool] = mapped_column(server_default="false")
    has_unlooked: Mapped[bool] = mapped_column(server_default="false")
    made_by: Mapped[str | None]

    __table_args__ = (
        Index("ix_batches_find_name", begins_with(text("name"), 200), "id", postgresql_ops=BEGINS),
        Index("ix_batches_active", "lane", "id", postgresql_where=text("state = 'active'")),
        Index("ix_batches_paused", "pause_reason", "id", postgresql_where=text("state = 'paused'")),
        Index("ix_batches_clearing", "cancelled_at", postgresql_where=text("is_clearing")),
        CheckConstraint("state IN ('active', 'paused', 'cancelled', 'finished')", name="ck_batches_state"),
        CheckConstraint("lane IN ('interactive', 'bulk')", name="ck_batches_lane"),
        CheckConstraint("canary_state IN ('running', 'passed', 'failed')", name="ck_batches_canary"),
        CheckConstraint("(state = 'paused') = (pause_reason IS NOT NULL)", name="ck_batches_paused"),
        CheckConstraint("(state IN ('finished', 'cancelled')) = (finished_at IS NOT NULL)", name="ck_batches_finished"),
        {"postgresql_with": OF_FEW},
    )


class Job(Base):
    """One source image of a batch.

    Its `state` says `pending` also while it is queued (see `QueuedJob`); `dispatch` is the number of the message that a
    worker took it with last.

    `is_bare` says that nothing was found on it that is to be taken off, `must_call` that it is called all the same;
    `proof` has the places for which its output is held.

    Its times of asking (`created_at`, `requeued_at`) are the clock's, not the transaction's, so that they compare with
    the time of a cancel. `given_name` is what the source's server calls the photo, where its URL tells no name.
    """

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id"))
    state: Mapped[str]
    available_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    dispatch: Mapped[int] = mapped_column(server_default="0")
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]
    worker: Mapped[str | None]

    source_uri: Mapped[str]
    item_key: Mapped[str]
    name: Mapped[str]
    given_name: Mapped[str | None]
    sku: Mapped[str | None]
    elements: Mapped[list[int]]
    subject_elements: Mapped[list[int]]
    mask: Mapped[str | None]

    attempts: Mapped[int] = mapped_column(server_default="0")
    snoozes: Mapped[int] = mapped_column(server_default="0")
    rescues: Mapped[int] = mapped_column(server_default="0")
    lost_in_row: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    requeues: Mapped[int] = mapped_column(server_default="0")
    requeued_at: Mapped[datetime | None]
    send_bytes: Mapped[bool] = mapped_column(server_default="false")
    output_url: Mapped[str | None]

    source_sha256: Mapped[str | None]
    content_key: Mapped[str | None]
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
    is_bare: Mapped[bool] = mapped_column(server_default="false")
    must_call: Mapped[bool] = mapped_column(server_default="false")
    proof: Mapped[dict[str, Any] | None]
    is_canary: Mapped[bool] = mapped_column(server_default="false")
    redo_of: Mapped[int | None]
    redo_asked_at: Mapped[datetime | None]
    input_uri: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=CLOCK)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_jobs_batch_item", "batch_id", "item_key", unique=True),
        Index("ix_jobs_due", "batch_id", "available_at", "id", postgresql_where=text("state = 'pending'")),
        Index("ix_jobs_running", "batch_id", "lease_token", postgresql_where=text("lease_token IS NOT NULL")),
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
        Index("ix_jobs_bare", "batch_id", "id", postgresql_where=text("is_bare")),
        Index(
            "uq_jobs_given_name",
            "batch_id",
            text("lower(given_name)"),
            unique=True,
            postgresql_where=text("given_name IS NOT NULL"),
        ),
        Index("ix_jobs_redo", "redo_of", "id", postgresql_where=text("redo_of IS NOT NULL")),
        Index(
            "ix_jobs_find_sku",
            begins_with(text("sku"), 200),
            "id",
            postgresql_ops=BEGINS,
            postgresql_where=text(f"sku IS NOT NULL AND {NOT_LIVE}"),
        ),
        Index(
            "ix_jobs_find_name",
            begins_with(func.split_part(text("name"), "/", -1), 200),
            "id",
            postgresql_ops=BEGINS,
            postgresql_where=text(NOT_LIVE),
        ),
        Index(
            "ix_jobs_find_url",
            begins_with(text("source_uri"), 300),
            "id",
            postgresql_ops=BEGINS,
            postgresql_where=text(NOT_LIVE),
        ),
        CheckConstraint(
            "state IN ('pending', 'running', 'succeeded', 'dead', 'held', 'cancelled')", name="ck_jobs_state"
        ),
        CheckConstraint(
            "(state = 'running') = (lease_token IS NOT NULL) AND (state = 'running') = (lease_expires_at IS NOT NULL)",
            name="ck_jobs_lease",
        ),
        CheckConstraint(
            "(state IN ('succeeded', 'dead', 'held', 'cancelled')) = (finished_at IS NOT NULL)", name="ck_jobs_finished"
        ),
        # One that was held with an output keeps it when it is cancelled.
        CheckConstraint(
            "CASE WHEN artifact_sha256 IS NULL THEN state <> 'succeeded' "
            "ELSE state IN ('succeeded', 'held', 'cancelled') END",
            name="ck_jobs_artifact",
        ),
        CheckConstraint("code IS NOT NULL OR state NOT IN ('succeeded', 'dead', 'held')", name="ck_jobs_code"),
        {"postgresql_with": OF_MANY},
    )


class Requeue(Base):
    """Jobs of a batch that are still to be sent round again: those after `after_id` that had ended by `asked_at`."""

    __tablename__ = "requeues"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    batch_id: Mapped[int]
    state: Mapped[str]
    code: Mapped[str | None]
    message: Mapped[str | None]
    after_id: Mapped[int]
    asked_at: Mapped[datetime] = mapped_column(server_default=CLOCK)


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
        Index("ix_attempts_of_batch", "batch_id"),
        Index(
            "ix_attempts_sent_at",
            "sent_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
        ),
        Index(
            "ix_attempts_find_request",
            "request_id",
            postgresql_ops={"request_id": "text_bloom_ops"},
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
        ),
        CheckConstraint(
            "answer_class IN ('success', 'throttled', 'source', 'permanent', 'provider_fault', 'maybe_billed', "
            "'account', 'unknown')",
            name="ck_attempts_answer_class",
        ),
        CheckConstraint("spend IN ('none', 'paid', 'maybe')", name="ck_attempts_spend"),
        CheckConstraint("(answered_at IS NULL) = (answer_class IS NULL)", name="ck_attempts_answered"),
        # A call that is on its way may have been billed.
        CheckConstraint(
            "answered_at IS NOT NULL OR (sent_at IS NOT NULL AND spend = 'maybe')", name="ck_attempts_open"
        ),
        {"postgresql_with": OF_MANY_GROWING},
    )
