"""What the REST API answers, in words of its own; only what stands here is ever sent."""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, Field

from actions.questions import Question
from console.api import examples
from console.api.fields import like
from core.shown import url_for_people
from core.states import BatchState, JobState, Lane, Screen
from db.batches import BatchRow
from db.job_history import AttemptRow
from db.listings import JobRow
from db.looks import Screened
from db.search import FoundBy
from db.tallies import BatchCounts
from quote.pace import seconds_left


class ApiAnswer(BaseModel):
    """An answer; only what stands here is ever sent."""


class CountsOut(ApiAnswer):
    """How many photos stand where, and what was called."""

    model_config = like(examples.COUNTS)

    total: int
    pending: int
    queued: int
    running: int
    succeeded: int
    dead: int
    held: int
    cancelled: int
    reused: int
    retries: int
    calls: int
    throttled: int
    maybe_billed: int


class BatchOut(ApiAnswer):
    """A batch as it stands."""

    model_config = like(examples.BATCH)

    id: int
    name: str
    lane: Lane
    state: BatchState
    pause_reason: str | None
    max_calls: int | None
    max_cost: Decimal | None
    counts: CountsOut
    screen: Screen = Field(description="What becomes of photos with nothing to remove")
    bare: int | None = Field(description="Photos with nothing to remove; null in lists")
    skipped: int | None = Field(description="How many of them were skipped; null in lists")
    eta_seconds: int | None = Field(
        description="Until all that waits is processed, at the present rate; null while nothing moves"
    )

    @classmethod
    def of(cls, row: BatchRow, counts: BatchCounts, rate: float | None, screened: Screened | None = None) -> "BatchOut":
        """Return a batch and its counts as an answer."""
        return cls(
            id=row.id,
            name=row.name,
            lane=Lane(row.lane),
            state=BatchState(row.state),
            pause_reason=row.pause_reason,
            max_calls=row.max_calls,
            max_cost=row.max_cost,
            counts=CountsOut(**counts.as_dict()),
            screen=Screen(row.options.get("screen", Screen.OFF)),
            bare=screened.bare if screened else None,
            skipped=screened.skipped if screened else None,
            eta_seconds=seconds_left(row.state, counts.unsettled, rate),
        )


class BatchesOut(ApiAnswer):
    """A page of batches, newest first."""

    model_config = like({"batches": [examples.BATCH]})

    batches: list[BatchOut]


class MadeOut(ApiAnswer):
    """A batch that was made, or one of the same content that goes on."""

    model_config = like(examples.MADE)

    id: int
    added: int = Field(description="Jobs that are new; the same photo twice is one job")
    resumed: bool
    unreadable: int = Field(0, description="Rows that cannot be read; each is a dead job with its reason")


class JobOut(ApiAnswer):
    """A job as it stands."""

    model_config = like(examples.JOB)

    id: int
    batch_id: int
    state: JobState
    image_url: str = Field(description="As it was told, without what lets others in: no password, no signature")
    name: str
    sku: str | None
    code: str | None
    message: str | None
    attempts: int
    reused_from: int | None
    changed_ratio: float | None
    artifact_url: str | None = Field(description="Where the clean photo is; null until there is one")
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: JobRow, artifact_url: str | None) -> "JobOut":
        """Return a job as an answer."""
        told = {name: getattr(row, name) for name in cls.model_fields.keys() - {"image_url", "artifact_url"}}
        return cls(image_url=url_for_people(row.source_uri), artifact_url=artifact_url, **told)


class JobsOut(ApiAnswer):
    """A page of jobs."""

    model_config = like({"jobs": [examples.JOB], "next_cursor": "4711"})

    jobs: list[JobOut]
    next_cursor: str | None = Field(description="For the page after this one; null on the last")


class AttemptOut(ApiAnswer):
    """One attempt of a job."""

    model_config = like(examples.ATTEMPT)

    id: int
    sent_at: datetime | None
    answered_at: datetime | None
    answer_class: str | None
    code: str | None
    message: str | None
    http_status: int | None
    request_id: str | None
    latency_seconds: float | None
    spend: str
    price: Decimal | None
    is_free: bool = Field(description="Whether the sandbox was called, so that the price was not paid")
    counted: bool
    worker: str
    raw: str | None = Field(description="The start of the API's answer, unless it was a plain success")

    @classmethod
    def of(cls, row: AttemptRow) -> "AttemptOut":
        """Return an attempt as an answer."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class JobDetailOut(JobOut):
    """A job with its attempts."""

    model_config = like(examples.JOB | {"history": [examples.ATTEMPT]})

    history: list[AttemptOut]


class AskedOut(ApiAnswer):
    """What people are asked before something is done."""

    model_config = like(examples.ASKED)

    question: str
    photos: int
    calls: int = Field(description="At most, if each photo takes one")
    cost: Decimal = Field(description="At most; 0 where calls are free or no price is known")
    currency: str

    @classmethod
    def of(cls, question: Question | None, currency: str) -> "AskedOut | None":
        """Return a question as an answer."""
        if question is None:
            return None
        told = {name: getattr(question, name) for name in ("photos", "calls", "cost")}
        return cls(question=question.words, currency=currency, **told)


class ChangedOut(ApiAnswer):
    """What came of a request to change something."""

    model_config = like(examples.CHANGED)

    changed: int = Field(description="How many batches or jobs it changed")


class DryRunOut(ChangedOut):
    """What would come of a request to change something."""

    model_config = like(examples.DRY_RUN)

    asked: AskedOut | None = Field(
        description="What people are asked before it is done; null when nothing is spent, or nothing changes"
    )


class QuoteOut(ApiAnswer):
    """What photos would come to."""

    model_config = like(examples.QUOTE)

    photos: int
    unique: int
    already_cleaned: int = Field(description="By their URLs, if the photos there are still the same")
    to_call: int
    price: Decimal
    currency: str
    cost: Decimal
    rate: float = Field(description="Calls per second")
    seconds: int


class FoundOut(ApiAnswer):
    """Photos that were found in one way."""

    model_config = like({"by": "sku", "total": 1, "is_more": False, "jobs": [examples.JOB]})

    by: FoundBy
    total: int = Field(description="How many were found; a thousand at most")
    is_more: bool = Field(description="Whether there are more than that; then say more of what is looked for")
    jobs: list[JobOut]


class SearchOut(ApiAnswer):
    """What was found."""

    model_config = like({"batch_ids": [7], "photos": []})

    batch_ids: list[int] = Field(description="The newest first")
    photos: list[FoundOut]


class LedgerLineOut(ApiAnswer):
    """One batch on one day (UTC)."""

    model_config = like(examples.LEDGER_LINE)

    day: str
    batch_id: int
    calls: int
    paid: int
    maybe_paid: int
    unpaid: int
    open: int
    reused: int
    cost: Decimal
    codes: dict[str, int]


class CostsOut(ApiAnswer):
    """The ledger, newest day first."""

    model_config = like({"currency": "USD", "lines": [examples.LEDGER_LINE]})

    currency: str
    lines: list[LedgerLineOut]


class LimiterOut(ApiAnswer):
    """What the limiter is doing."""

    model_config = like(examples.LIMITER)

    configured_rate: float
    learned_rate: float
    closed_for_seconds: float
    reserved_ahead_seconds: float
    waiting: int
    ok: int
    throttled: int
    failed: int
    latency_seconds: float | None
