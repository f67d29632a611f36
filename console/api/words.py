"""What goes over the REST API, in words of its own: requests and answers."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from console.api import examples
from core.states import BatchState, Fit, JobState, Lane, Send
from db.batches import BatchRow
from db.listings import AttemptRow, JobRow
from db.tallies import BatchCounts

MOST_PHOTOS = 10_000
MOST_ID = 2**63 - 1

BatchId = Annotated[int, Field(ge=1, le=MOST_ID)]
SubjectElements = Annotated[list[Annotated[int, Field(ge=1, le=4)]], Field(max_length=4, examples=[[1, 2, 3, 4]])]
Elements = Annotated[SubjectElements, Field(min_length=1)]
# PostgreSQL takes no NUL.
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500)]


def like(example: dict[str, Any]) -> ConfigDict:
    """Return what shows an example in the API's description."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Answer(BaseModel):
    """An answer; only what stands here is ever sent."""


class Request(BaseModel):
    """A request; what is not known is an error rather than passed over."""

    model_config = ConfigDict(extra="forbid")


MASK = r"^([0-9]{1,9} [0-9]{1,9}( [0-9]{1,9} [0-9]{1,9})*|box( [0-9]{1,9},[0-9]{1,9},[0-9]{1,9},[0-9]{1,9}){1,1000})$"
"""As `removal.mask.asked` reads it."""


class PhotoIn(Request):
    """One photo to clean."""

    image_url: Annotated[
        str,
        StringConstraints(pattern=r"^https?://[^\x00-\x20\x7f]+$", max_length=4000),
        Field(examples=["https://shop.example/a.jpg"]),
    ]
    sku: Annotated[Words, Field(max_length=200)] | None = Field(None, examples=["s-1"])
    elements: Elements | None = Field(None, description="What to take off; the batch's, unless told")
    subject_elements: SubjectElements | None = Field(None, description="What to take off the main subject")
    mask: Annotated[str, StringConstraints(pattern=MASK, max_length=1_000_000)] | None = Field(
        None,
        description="The area to erase, which wins over both lists: run lengths, or boxes",
        examples=["474556 160", "box 10,20,300,80 600,0,200,40"],
    )


class OptionsIn(Request):
    """What holds for every photo that does not say otherwise."""

    elements: Elements = Field([1, 2, 3, 4], description="What to take off: 1 semi-transparent … 4 colour blocks")
    subject_elements: SubjectElements | None = Field(
        None, description="What to take off the main subject; as `elements`"
    )
    lane: Lane = Field(Lane.BULK, description="`interactive` is served before `bulk`")
    fit: Fit = Fit.FIT
    send: Send = Send.AUTO
    force: bool = Field(False, description="Pay again for photos that were cleaned before")
    canary: int | None = Field(None, ge=1, le=1_000_000, description="So many photos first")
    max_calls: int | None = Field(None, ge=0, le=10**12)
    max_cost: float | None = Field(None, ge=0, le=10**9)


class OptionsQuery(OptionsIn):
    """The same in a query, where other parameters stand beside it."""

    model_config = ConfigDict(extra="ignore")


class CallbackIn(Request):
    """Whom to tell of `batch.finished` and `job.succeeded`, `job.dead`, `job.held`; signed by Standard Webhooks."""

    url: Annotated[
        str,
        StringConstraints(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$", max_length=2000),
        Field(examples=["https://shop.example/cleanplate"]),
    ]
    secret: Annotated[
        str,
        StringConstraints(pattern=r"^whsec_([A-Za-z0-9+/]{4}){6,20}$", max_length=200),
        Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
    ]


class BatchIn(Request):
    """A batch to make."""

    model_config = like(examples.BATCH_IN)

    name: Annotated[Words, Field(min_length=1, max_length=200)] = Field("API", examples=["Spring catalogue"])
    photos: list[PhotoIn] = Field(min_length=1, max_length=MOST_PHOTOS)
    options: OptionsIn = Field(default_factory=OptionsIn)
    callback: CallbackIn | None = Field(None, description="Whom to tell what becomes of it")


class CountsOut(Answer):
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


class BatchOut(Answer):
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
    eta_seconds: float | None = Field(description="Until all that waits is called for, at the present rate")

    @classmethod
    def of(cls, row: BatchRow, counts: BatchCounts, rate: float) -> "BatchOut":
        """Return a batch and its counts as an answer."""
        waits = row.state == BatchState.ACTIVE.value and counts.unsettled
        return cls(
            id=row.id,
            name=row.name,
            lane=Lane(row.lane),
            state=BatchState(row.state),
            pause_reason=row.pause_reason,
            max_calls=row.max_calls,
            max_cost=row.max_cost,
            counts=CountsOut(**counts.as_dict()),
            eta_seconds=round(counts.unsettled / rate, 1) if waits and rate > 0 else None,
        )


class BatchesOut(Answer):
    """A page of batches, newest first."""

    model_config = like({"batches": [examples.BATCH]})

    batches: list[BatchOut]


class MadeOut(Answer):
    """A batch that was made, or one of the same content that goes on."""

    model_config = like(examples.MADE)

    id: int
    added: int = Field(description="Jobs that are new; the same photo twice is one job")
    resumed: bool


class JobOut(Answer):
    """A job as it stands."""

    model_config = like(examples.JOB)

    id: int
    batch_id: int
    state: JobState
    image_url: str
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
        return cls(
            id=row.id,
            batch_id=row.batch_id,
            state=JobState(row.state),
            image_url=row.source_uri,
            name=row.name,
            sku=row.sku,
            code=row.code,
            message=row.message,
            attempts=row.attempts,
            reused_from=row.reused_from,
            changed_ratio=row.changed_ratio,
            artifact_url=artifact_url,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )


class JobsOut(Answer):
    """A page of jobs."""

    model_config = like({"jobs": [examples.JOB], "next_cursor": "4711"})

    jobs: list[JobOut]
    next_cursor: str | None = Field(description="For the page after this one; null on the last")


class AttemptOut(Answer):
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


class ChangedOut(Answer):
    """What came of a request to change something."""

    model_config = like(examples.CHANGED)

    changed: int = Field(description="How many batches or jobs it changed")


BOTH_KINDS: JsonValue = {
    "properties": {"held": {"const": True}, "cancelled": {"const": True}},
    "required": ["held", "cancelled"],
}


class RequeueIn(Request):
    """Which jobs go round again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "801"}], "not": BOTH_KINDS})

    code: Words | None = Field(None, description="Only those that died with this code", examples=["801"])
    held: bool = Field(False, description="Those that wait for a person, instead of the dead; may pay again")
    cancelled: bool = Field(False, description="Those that were cancelled, instead of the dead")

    @model_validator(mode="after")
    def _ask_for_one_kind(self) -> Self:
        if self.held and self.cancelled:
            raise ValueError("held and cancelled are two requests")
        return self

    @property
    def state(self) -> JobState:
        """Where those jobs stand."""
        return JobState.HELD if self.held else JobState.CANCELLED if self.cancelled else JobState.DEAD


class BudgetIn(Request):
    """What a batch may spend in all; what is not told stays as it is."""

    model_config = like({"max_calls": 500})

    max_calls: int | None = Field(None, ge=0, le=10**12, description="Most calls that are sent")
    max_cost: float | None = Field(None, ge=0, le=10**9, description="Most that they cost together")


class QuoteOut(Answer):
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
    seconds: float


class LedgerLineOut(Answer):
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


class CostsOut(Answer):
    """The ledger, newest day first."""

    model_config = like({"currency": "USD", "lines": [examples.LEDGER_LINE]})

    currency: str
    lines: list[LedgerLineOut]


class LimiterOut(Answer):
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
