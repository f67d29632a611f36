"""The first step: a photo is fetched, checked or fitted, and noted; then what is sent for it."""

from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection, Engine

from core import tracing
from core.errors import SourceRefused, UsageError
from core.states import AnswerClass, Fit, Send
from db import attempts, given_names, redo, twins, uploads
from db.attempts import AttemptResult
from db.jobs import ClaimedJob
from db.session import transact
from db.twins import KnownSource, Noted, Twin
from photos.decoders import fit, inspect
from photos.fetch import Fetcher
from photos.fitting import Fitted, as_it_is
from photos.identity import Terms, identify
from photos.orientation import UPRIGHT, seen_size, turn_back
from photos.source import MAX_SOURCE_BYTES, Source, Take, read_source
from producer.catalogue.item import has_photo_suffix, name_from_url, portable_name
from removal.answers import KindOf
from removal.bounds import Bounds
from removal.mask import Mask, Order, read_for_photo
from worker import past_attempts
from worker.writes import Writes

NOTE_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Taking:
    """What a provider takes, and how.

    Args:
        provider: Its name; what one has cleaned says nothing about another.
        bounds: Its photos' sizes and formats.
        takes_bytes: Whether photos can be sent to it, or only their URLs.
        mask_order: How masks count their pixels, in jobs and towards the provider.
        mask_origin: The number of a mask's first pixel, 0 or 1.
    """

    provider: str
    bounds: Bounds
    takes_bytes: bool
    mask_order: Order
    mask_origin: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A photo that may be sent.

    Args:
        source: Its own file.
        sha256: Of that file, hex.
        content_key: The same for the same file, options and provider: what was paid for once.
        fitted: What is sent for it.
        mask: What is to be erased of that.
        mask_text: The same as it is sent.
    """

    source: Source
    sha256: str
    content_key: str
    fitted: Fitted
    mask: Mask | None = field(repr=False)
    mask_text: str | None = field(repr=False)


class Preparer:
    """Takes in the photos of one process' jobs.

    Args:
        engine: The database.
        writes: Where photos are noted, and identical ones found.
        fetcher: Fetches them.
        taking: What the provider takes.
        kind_of: What its codes mean.
        worker: The name of this process in attempts.
    """

    def __init__(
        self, engine: Engine, writes: Writes, fetcher: Fetcher, taking: Taking, *, kind_of: KindOf, worker: str
    ) -> None:
        self._engine = engine
        self._writes = writes
        self._fetcher = fetcher
        self._taking = taking
        self._kind_of = kind_of
        self._worker = worker

    def take_in(self, job: ClaimedJob, take: Take) -> tuple[Prepared, Twin | None]:
        """Return a job's photo as it may be sent, and a job (the same photo, or its redo) that makes a call needless.

        Args:
            job: Whose.
            take: Takes room in memory for so many bytes.

        Raises:
            SourceError: It could not be read, or cannot be sent.
            NoRoom: The worker stops before there is room for it.
            LeaseLost: Another worker owns the job.
        """
        most = None if job.fit == Fit.STRICT else MAX_SOURCE_BYTES
        with tracing.span("fetch"):
            source = self._read_upload(job) if job.source_uri.startswith(uploads.SCHEME) else None
            if source is None:
                source = read_source(job.source_uri, self._fetcher, max_bytes=most, take=take)
        with tracing.span("fit"):
            photo = prepare(job, source, self._taking, is_plain=self._was_unreadable(job))
        twin = self._note(job, photo)
        self._note_name(job, source)
        return photo, twin

    def _note_name(self, job: ClaimedJob, source: Source) -> None:
        name = portable_name(source.name)
        if not name or has_photo_suffix(job.name) or job.name != name_from_url(job.source_uri):
            return
        keep = partial(given_names.keep, job=job, name=name)
        transact(self._engine, keep, patience_seconds=NOTE_PATIENCE_SECONDS, repeats_busy=True)

    def _note(self, job: ClaimedJob, photo: Prepared) -> Twin | None:
        found, drop = photo.fitted.photo, find_drop(job, photo)
        noted = Noted(job, photo.sha256, photo.content_key, len(photo.source.data), found.width, found.height)

        def write(connection: Connection) -> KnownSource:
            seen = twins.note_source(connection, noted)
            if drop is not None:
                attempts.note_without_call(connection, job, drop.noted, worker=self._worker)
            return seen

        seen = self._writes.note(noted) if drop is None else None
        if seen is None:
            # Identical photos wait for each other here; a whole catalogue may share one.
            seen = transact(self._engine, write, patience_seconds=NOTE_PATIENCE_SECONDS, repeats_busy=True)
        return self._find_better(job, photo, seen) if seen.is_redone or seen.is_output else seen.twin

    def _find_better(self, job: ClaimedJob, photo: Prepared, seen: KnownSource) -> Twin | None:
        def look(connection: Connection) -> Twin | None:
            # Requeued while it was done again: a call would be paid for nothing.
            done = redo.find_done(connection, job.id) if seen.is_redone else None
            return done or seen.twin or twins.find_own_output(connection, job, photo.sha256, self._taking.provider)

        return transact(self._engine, look, patience_seconds=NOTE_PATIENCE_SECONDS, repeats_busy=True)

    def _read_upload(self, job: ClaimedJob) -> Source:
        data = transact(self._engine, lambda connection: uploads.find(connection, job.source_uri))
        if data is None:
            raise SourceRefused("upload_missing", "The photo that was uploaded is gone; hand it in again.")
        return Source(data, None)

    def _was_unreadable(self, job: ClaimedJob) -> bool:
        """Whether the API could not read the bytes that were sent for this job before."""
        if not job.attempts or job.send == Send.URL or not self._taking.takes_bytes:
            return False
        kinds = (self._kind_of(code, message) for code, message in past_attempts.list_codes(self._engine, job))
        return any(kind is not None and kind.is_unreadable for kind in kinds)


def prepare(job: ClaimedJob, source: Source, taking: Taking, *, is_plain: bool) -> Prepared:
    """Check or fit a photo and its mask.

    Args:
        job: Whether it is fitted or only checked, its elements and its mask.
        source: The photo.
        taking: The provider.
        is_plain: Re-encode it even when it could be sent as it is, because the API could not read it.

    Raises:
        SourceRefused: As `inspect` and `fit` do, and `mask_unusable` when the mask does not fit it.
    """
    if job.fit == Fit.STRICT:
        fitted = as_it_is(source.data, inspect(source.data, taking.bounds))
        if is_plain:
            fitted = fit(source.data, taking.bounds, is_plain=True)
    else:
        fitted = fit(source.data, taking.bounds, is_plain=is_plain)
    order, origin = taking.mask_order, taking.mask_origin
    photo = fitted.photo
    size = seen_size(photo.width, photo.height, photo.exif_orientation)
    seen = read_for_photo(job.mask, *size, order=order, origin=origin) if job.mask else None
    mask = _sent_mask(seen, fitted) if seen is not None else None
    terms = Terms(taking.provider, taking.bounds, job.elements, job.subject_elements, Fit(job.fit))
    identity = identify(source.data, photo, terms, seen.to_rle() if seen else None)
    return Prepared(
        source=source,
        sha256=identity.sha256,
        content_key=identity.content_key,
        fitted=fitted,
        mask=mask,
        mask_text=mask.to_rle(order, origin) if mask else None,
    )


def _sent_mask(mask: Mask, fitted: Fitted) -> Mask:
    if not fitted.plan.is_unchanged:
        try:
            return Mask.from_image(fitted.plan.transform_mask(mask.to_image()))
        except UsageError as error:
            raise SourceRefused("mask_unusable", str(error)) from error
    orientation = fitted.photo.exif_orientation
    turn = turn_back(orientation)
    if orientation == UPRIGHT or turn is None:
        return mask
    return Mask.from_image(mask.to_image().transpose(turn))


@dataclass(frozen=True, slots=True)
class Drop:
    """Why an output that was paid for is of no use any more.

    Args:
        noted: How that is written down, the first time.
        held: What the job ends with when it would happen again and again, each time for money.
    """

    noted: AttemptResult
    held: AttemptResult


def _drop(code: str, noted: str, held: str) -> Drop:
    return Drop(*(AttemptResult(AnswerClass.SOURCE, code, message, counted=False) for message in (noted, held)))


_ANOTHER_PHOTO = _drop(
    "source_changed",
    "The photo was replaced after it was paid for and before its output was fetched. That output is dropped: it shows "
    "what the photo was before; the new photo is sent.",
    "Each time this photo is fetched it is another one, so that paid outputs do not fit it. Hand in a copy that stays "
    "as it is; `retry --held` tries this one again, which may cost a call.",
)
_ASKED_ELSE = _drop(
    "settings_changed",
    "Another provider, or another order of masks, was set after this photo was paid for and before its output was "
    "fetched. That output is dropped: it is not what is asked for now; the photo is sent.",
    "Workers with different settings (REMOVAL_API_URL, REMOVAL_PROVIDER, REMOVAL_MASK_ORDER) take this photo by turns, "
    "so that paid outputs do not fit it. Set the same for all, then `retry --held`, which may cost a call.",
)


def find_drop(job: ClaimedJob, photo: Prepared) -> Drop | None:
    """Return why the output that was paid for when the job was run before is none of this photo's; None when it is."""
    if job.output_url is None or job.content_key in {None, photo.content_key}:
        return None
    return _ASKED_ELSE if job.source_sha256 == photo.sha256 else _ANOTHER_PHOTO
