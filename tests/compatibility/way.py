"""The whole way of a few photos over servers of others: handed in, limited, called, written down, exactly once."""

import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from db import budgets
from producer.intake import BatchOptions
from removal.limiter.view import look
from tests.chaos.fleet import Fleet, make_photos
from tests.servers import Servers

PHOTOS = 12
ALLOWED = 8
"""So many calls are allowed at first."""
RATE = 20.0
LATENCY = 0.1
ACCOUNT = "sandbox"
LONG = 150.0


def go_all_the_way(tmp_path: Path, servers: Servers, meanwhile: Callable[[Fleet], None] | None = None) -> None:
    """Send photos through real processes up to their budget, then the rest, and see what is on record.

    Args:
        tmp_path: For photos and logs.
        servers: A database that has our schema, and a Redis.
        meanwhile: Done once the budget is used up, before it is raised.
    """
    photos = make_photos(tmp_path / "photos", PHOTOS)
    with Fleet(tmp_path / "fleet", rate=RATE, latency=LATENCY, servers=servers, settings={"REMOVAL_PRICE": "0.5"}) as f:
        # A call that a busy machine delivers late must not be throttled here: it would count, and clean nothing.
        f.configure(rate=1000)
        f.start("dispatcher")
        f.start("worker")
        batch_id = f.submit(photos, BatchOptions(max_calls=ALLOWED))
        # What was reserved for a call that lost its slot is given back, and the batch goes on for that one.
        f.wait_for_done(batch_id, ALLOWED, LONG)
        f.wait_until(lambda: f.batch(batch_id).state == "paused" and f.counts(batch_id).running == 0, LONG)
        assert (f.stats()["accepted"], f.counts(batch_id).succeeded) == (ALLOWED, ALLOWED)
        if meanwhile is not None:
            meanwhile(f)
        with f.engine.begin() as connection:
            budgets.set_limits(connection, batch_id, max_calls=100, max_cost=None)
        f.wait_for_done(batch_id, PHOTOS, LONG)
        f.wait_until(lambda: f.batch(batch_id).state == "finished", LONG)
        all_is_on_record(f, batch_id)
        assert {role.stop() for role in f.roles} == {0}


def all_is_on_record(fleet: Fleet, batch_id: int) -> None:
    """See that each photo was called for once, by what the API counted and by what we wrote."""
    counts = fleet.counts(batch_id)
    assert (counts.total, counts.succeeded, counts.calls, counts.maybe_billed) == (PHOTOS, PHOTOS, PHOTOS, 0)
    # Whoever asks how the API is sends it a call that it refuses.
    assert fleet.stats()["accepted"] == fleet.stats()["by_code"]["200"] == PHOTOS
    assert list(fleet.artifacts_per_job(batch_id)) == [1] * PHOTOS
    attempts = (
        "SELECT count(*), count(DISTINCT job_id), count(*) FILTER (WHERE answered_at IS NOT NULL AND code = '200') "
        "FROM attempts"
    )
    # What was reserved for calls and not given back is what was spent.
    spent = "SELECT calls_made, cost_reserved FROM batches"
    with fleet.engine.connect() as connection:
        assert tuple(connection.execute(text(attempts)).one()) == (PHOTOS, PHOTOS, PHOTOS)
        assert tuple(connection.execute(text(spent)).one()) == (PHOTOS, PHOTOS / 2)
    limiter = look(fleet.redis_url, ACCOUNT)
    assert limiter is not None
    assert (limiter.ok, limiter.throttled, limiter.failed) == (PHOTOS, 0, 0)


def rest(seconds: float) -> None:
    """Let time pass that is itself what is tried."""
    threading.Event().wait(seconds)
