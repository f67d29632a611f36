"""What the routes of the REST API work with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from fastapi import HTTPException
from sqlalchemy import Connection, Engine

from actions.questions import Question
from console.api.inputs import OptionsIn, PhotoIn
from console.api.outputs import AskedOut, BatchOut, DryRunOut, JobOut
from core.money import SMALLEST
from core.settings import Settings
from db import batches, looks, tallies
from db.artifacts import public_url
from db.listings import JobRow
from db.tokens import Scope, TokenRow
from producer.catalogue.format import Reading
from producer.catalogue.item import Item, name_from_url
from producer.intake import BatchOptions
from quote.pace import moves, pace

Require = Callable[[Scope], Callable[..., TokenRow]]


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What the routes work with.

    Args:
        engine: The database.
        settings: Of this process.
        require: Makes a dependency of a scope.
    """

    engine: Engine
    settings: Settings
    require: Require

    def rate_now(self, connection: Connection) -> float | None:
        """Return the calls per second the fleet goes at; None while nothing moves."""
        return pace(connection, self.settings) if moves(connection, self.settings) else None

    def show_batch(self, connection: Connection, batch_id: int) -> BatchOut:
        """Return a batch as an answer.

        Raises:
            NotFound: There is none.
        """
        row = batches.require(connection, batch_id)
        screened = looks.count(connection, batch_id) if row.options.get("screen") else looks.Screened()
        return BatchOut.of(row, tallies.counts(connection, batch_id), self.rate_now(connection), screened)

    def asked(self, question: Question | None) -> DryRunOut:
        """Return what people are asked before something is done, and that nothing was done."""
        return DryRunOut(changed=0, asked=AskedOut.of(question, self.settings.removal_currency))

    def show_job(self, row: JobRow) -> JobOut:
        """Return a job as an answer."""
        return JobOut.of(row, self.artifact_url(row))

    def artifact_url(self, row: JobRow) -> str | None:
        """Return where a job's output can be fetched, if it has one."""
        # Whoever asks reaches the web application, which serves outputs itself.
        base = self.settings.artifacts_url or f"{self.settings.web_url}/artifacts"
        if row.artifact_sha256 is None or row.artifact_format is None:
            return None
        secret = self.settings.artifact_url_secret.get_secret_value()
        return public_url(base, secret, row.artifact_sha256, row.artifact_format)

    def read_options(self, told: OptionsIn, reading: Reading) -> BatchOptions:
        """Return a batch's options.

        Raises:
            HTTPException: 409, when a cost is limited that nobody can know.
        """
        if told.max_cost is not None and not self.settings.removal_price:
            raise HTTPException(409, "max_cost needs REMOVAL_PRICE, the price of one call; or limit with max_calls.")
        elements = tuple(sorted(set(told.elements)))
        subject = elements if told.subject_elements is None else tuple(sorted(set(told.subject_elements)))
        return BatchOptions(
            elements=elements,
            subject_elements=subject,
            lane=told.lane,
            fit=told.fit,
            send=told.send,
            force=told.force,
            screen=self.settings.screen if told.screen is None else told.screen,
            strip_metadata=told.strip_metadata,
            canary=told.canary,
            max_calls=told.max_calls,
            max_cost=read_cost(told.max_cost),
            reading=reading,
        )


FROM_ELSEWHERE = Reading()


def read_cost(told: float | None) -> Decimal | None:
    """Return a limit of the cost as it is kept; None for none."""
    return None if told is None else Decimal(str(told)).quantize(SMALLEST)


def read_photos(photos: Iterable[PhotoIn]) -> list[Item]:
    """Return photos as a catalogue would name them."""
    return [
        Item(
            uri=photo.image_url,
            name=name_from_url(photo.image_url),
            sku=photo.sku,
            elements=None if photo.elements is None else tuple(sorted(set(photo.elements))),
            subject_elements=None if photo.subject_elements is None else tuple(sorted(set(photo.subject_elements))),
            mask=photo.mask,
        )
        for photo in photos
    ]
