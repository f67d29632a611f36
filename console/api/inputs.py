"""What is asked of the REST API, in words of its own; what is not known is an error."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from actions.requeue import state_of
from console.api import examples
from console.api.fields import Elements, SubjectElements, Words, like
from core.states import Fit, JobState, Lane, Screen, Send

MOST_PHOTOS = 10_000


class ApiRequest(BaseModel):
    """A request; what is not known is an error rather than passed over."""

    model_config = ConfigDict(extra="forbid")


MASK = r"^([0-9]{1,9} [0-9]{1,9}( [0-9]{1,9} [0-9]{1,9})*|box( [0-9]{1,9},[0-9]{1,9},[0-9]{1,9},[0-9]{1,9}){1,1000})$"
"""As `removal.mask.asked` reads it."""


class PhotoIn(ApiRequest):
    """One photo to clean."""

    image_url: Annotated[
        str,
        StringConstraints(pattern=r"^https?://[^\x00-\x20\x7f]+$", max_length=4000),
        Field(examples=["https://shop.example/a.jpg"]),
    ]
    sku: Annotated[Words, Field(max_length=200)] | None = Field(None, examples=["s-1"])
    elements: Elements | None = Field(None, description="What to remove; the batch's, unless told")
    subject_elements: SubjectElements | None = Field(None, description="What to remove from the main subject")
    mask: Annotated[str, StringConstraints(pattern=MASK, max_length=1_000_000)] | None = Field(
        None,
        description="The area to erase, which wins over both lists: run lengths, or boxes",
        examples=["474556 160", "box 10,20,300,80 600,0,200,40"],
    )


class OptionsIn(ApiRequest):
    """What holds for every photo that does not say otherwise."""

    elements: Elements = Field([1, 2, 3, 4], description="What to remove: 1 semi-transparent … 4 colour blocks")
    subject_elements: SubjectElements | None = Field(
        None, description="What to remove from the main subject; as `elements`"
    )
    lane: Lane = Field(Lane.BULK, description="`interactive` is served before `bulk`")
    fit: Fit = Fit.FIT
    send: Send = Send.AUTO
    force: bool = Field(False, description="Pay again for photos that were cleaned before")
    strip_metadata: bool = Field(
        False, description="Outputs tell nothing beside their picture: no Exif with GPS, XMP, IPTC, text"
    )
    screen: Screen | None = Field(
        None, description="Photos with nothing to remove: called (`off`), counted (`report`), not paid for (`skip`)"
    )
    canary: int | None = Field(None, ge=1, le=1_000_000, description="So many photos first")
    max_calls: int | None = Field(None, ge=0, le=10**12)
    max_cost: float | None = Field(None, ge=0, le=10**9)


class OptionsQuery(OptionsIn):
    """The same in a query, where other parameters stand beside it."""

    model_config = ConfigDict(extra="ignore")


class CallbackIn(ApiRequest):
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


class BatchIn(ApiRequest):
    """A batch to make."""

    model_config = like(examples.BATCH_IN)

    name: Annotated[Words, Field(min_length=1, max_length=200)] = Field("API", examples=["Spring catalogue"])
    photos: list[PhotoIn] = Field(min_length=1, max_length=MOST_PHOTOS)
    options: OptionsIn = Field(default_factory=OptionsIn)
    callback: CallbackIn | None = Field(None, description="Whom to tell what becomes of it")


BOTH_KINDS: JsonValue = {
    "properties": {"held": {"const": True}, "cancelled": {"const": True}},
    "required": ["held", "cancelled"],
}


class RequeueIn(ApiRequest):
    """Which jobs go round again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "801"}], "not": BOTH_KINDS})

    code: Words | None = Field(
        None,
        description="Only those that failed with this code; `nothing_to_remove`: those that were skipped",
        examples=["801"],
    )
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
        return JobState.HELD if self.held else JobState.CANCELLED if self.cancelled else state_of(self.code)


class BudgetIn(ApiRequest):
    """What a batch may spend in all; what is not told stays as it is."""

    model_config = like({"max_calls": 500})

    max_calls: int | None = Field(None, ge=0, le=10**12, description="Most calls that are sent")
    max_cost: float | None = Field(None, ge=0, le=10**9, description="Most that they cost together")
