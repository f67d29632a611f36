"""The step before a call: whether there is anything on the photo to call for."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Engine

from core import tracing
from core.errors import DatabaseDown, LeaseLost
from core.states import Screen
from db import looks
from db.jobs import ClaimedJob
from db.session import transact
from photos.findings import VERSION, PhotoFinding, as_rows, asked_for, from_rows
from worker.call import NotCalled
from worker.lookers import Crowded, GivenUp, Lookers
from worker.prepare import Prepared

log = structlog.stdlib.get_logger(__name__)


class ComeBack(NotCalled):
    """So many photos wait to be looked at that this one gives its thread to others."""


class Screener:
    """Knows what is on photos; each is looked at once ever.

    Args:
        engine: The database, which keeps what was found.
        lookers: Look; None where the extra `look` is not installed, and then every photo is called for.
        sure_from: What is less sure than this does not count.
        stopping: True once nothing more may be called.
    """

    def __init__(
        self, engine: Engine, lookers: Lookers | None, *, sure_from: float, stopping: Callable[[], bool]
    ) -> None:
        self._engine = engine
        self._lookers = lookers
        self._sure_from = sure_from
        self._stopping = stopping
        self._told: set[int] = set()

    def wants(self, job: ClaimedJob) -> bool:
        """Whether a job's photo is looked at before it is called for; what is below a mask goes whatever it is."""
        return job.screen != Screen.OFF and job.mask is None and job.output_url is None

    @contextmanager
    def place_for(self, job: ClaimedJob) -> Iterator[None]:
        """Keep a place for a photo that is to be looked at, from before it is fetched.

        Raises:
            ComeBack: There is none.
        """
        if self._lookers is None or not self.wants(job):
            yield
            return
        try:
            with self._lookers.place():
                yield
        except Crowded as error:
            raise ComeBack(str(error)) from error

    def is_bare(self, job: ClaimedJob, photo: Prepared) -> bool:
        """Whether nothing was found on a photo that its job is to take off; False when nobody could look.

        Raises:
            NotCalled: The worker stops, or PostgreSQL does not answer.
        """
        if not self.wants(job):
            return False
        try:
            if transact(self._engine, lambda connection: looks.must_call(connection, job)):
                return False
            with tracing.span("look"):
                found = self.find(job, photo.source.data, photo.sha256)
            if found is None:
                self._tell_unlooked(job.batch_id)
                return False
        except (GivenUp, DatabaseDown) as error:
            raise NotCalled(str(error)) from error
        return not self.asked_for(job, found)

    def _tell_unlooked(self, batch_id: int) -> None:
        """Write down that a photo of a batch is called for that nobody could look at; once a batch is enough."""
        if batch_id in self._told:
            return
        if self._lookers is None:
            log.warning("photos are to be screened, and are all processed: the extra look is not installed here")
        if transact(self._engine, lambda connection: looks.note_unlooked(connection, batch_id)):
            self._told.add(batch_id)

    def note_bare(self, job: ClaimedJob) -> bool:
        """Write down that nothing is on a job's photo, which is called for all the same; return whether that is new.

        Raises:
            LeaseLost: Another worker owns the job.
        """
        return transact(self._engine, lambda connection: looks.note_bare(connection, job))

    def asked_for(self, job: ClaimedJob, found: list[PhotoFinding]) -> list[PhotoFinding]:
        """Return those that a job is to take off."""
        return asked_for(found, job.elements, job.subject_elements, sure_from=self._sure_from)

    def find(self, job: ClaimedJob, data: bytes, sha256: str | None = None) -> list[PhotoFinding] | None:
        """Return what is on a photo or an output; None when nobody could look, which is logged.

        Args:
            job: Whose.
            data: The file.
            sha256: Of it, if it is known.

        Raises:
            GivenUp: The worker stops.
        """
        if self._lookers is None:
            return None
        digest = sha256 or hashlib.sha256(data).hexdigest()
        try:
            kept = transact(self._engine, lambda connection: looks.find(connection, digest, VERSION))
            if kept is not None:
                return from_rows(kept)
            found = self._lookers.look(data, job.lane, self._stopping)
            rows = as_rows(found)
            transact(self._engine, lambda connection: looks.keep(connection, digest, VERSION, rows))
        except (GivenUp, LeaseLost, DatabaseDown):
            raise
        except Exception as error:
            log.warning("a photo could not be looked at", error=str(error), exc_info=True)
            return None
        return from_rows(rows)
