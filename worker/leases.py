"""Keeping the leases of the jobs this process runs, with one statement for all of them."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Engine

from core.errors import DatabaseDown
from db import jobs
from db.session import transact

log = logging.getLogger(__name__)

LOOKS_PER_LEASE = 12
"""So often it is looked which are to be renewed: those of which a quarter is over. Most photos are done before; two
thirds of a lease are left at any time."""


class LeaseKeeper:
    """Renews leases in a thread of its own.

    Args:
        engine: Connections that nobody else waits on: leases that are not renewed are calls that are paid for twice.
        lease_seconds: How long a lease lasts without renewal.
    """

    def __init__(self, engine: Engine, lease_seconds: float) -> None:
        self._engine = engine
        self._lease_seconds = lease_seconds
        self._held: dict[UUID, threading.Event] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, name="leases", daemon=True)

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def close(self) -> None:
        """Stop renewing."""
        self._stop.set()

    @contextmanager
    def hold(self, token: UUID) -> Iterator[threading.Event]:
        """Keep one lease while the block runs; the event given is set when the lease turns out to be lost."""
        lost = threading.Event()
        with self._lock:
            self._held[token] = lost
        try:
            yield lost
        finally:
            with self._lock:
                self._held.pop(token, None)

    def _renew_until_stopped(self) -> None:
        while not self._stop.wait(self._lease_seconds / LOOKS_PER_LEASE):
            try:
                self.renew()
            except DatabaseDown:
                log.warning("PostgreSQL does not answer; leases are renewed when it does")
            except Exception:
                log.exception("leases could not be renewed this time")

    def renew(self) -> None:
        """Renew the leases held now that are not new, and flag those that are lost.

        Raises:
            DatabaseDown: PostgreSQL does not answer.
        """
        with self._lock:
            tokens = list(self._held)
        if not tokens:
            return
        good = transact(
            self._engine, lambda connection: jobs.renew(connection, tokens, lease_seconds=self._lease_seconds)
        )
        with self._lock:
            for token in tokens:
                lost = self._held.get(token)
                if lost is not None and token not in good:
                    lost.set()
