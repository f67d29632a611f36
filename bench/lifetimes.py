"""What photos leave in PostgreSQL: `python -m bench.lifetimes [--photos 1000000]`, about ten minutes for a million.

The statements of intake, dispatcher and workers run as they do for photos that go well, many photos at a time and with
nothing between them: no picture, no call. So a million take minutes in place of hours, in which autovacuum, which looks
every five seconds here, has less time for as many dead rows. At the end tables are written anew, and what that spares
is their bloat. Prints one JSON object a line.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine

from bench import handover
from bench.figures import Figures, tell
from bench.ground import Ground
from core.states import AnswerClass, Lane, Spend
from db import attempts, batches, call_rates, costs, jobs, paid, queue, success, tallies, twins
from db.attempts import AttemptResult
from db.jobs import Changed
from db.paid import Paid
from db.session import make_engine, transact
from db.success import Clean
from db.twins import Noted

PHOTOS = 1_000_000
FEW = 100_000
WINDOW = 600
AT_ONCE = 50
THREADS = 3
DUTIES_SECONDS = 1.0
PHOTO_BYTES = 90_000
ACCOUNT = "bench"
TABLES = ("jobs", "attempts", "artifacts")
PASSING = ("queued_jobs", "job_notes", "batch_count_changes", "ledger_changes")
"""Whose rows are deleted as soon as a photo is done, or has been counted."""
PAID = AttemptResult(
    AnswerClass.SUCCESS,
    "200",
    "",
    spend=Spend.PAID,
    http_status=200,
    request_id="00000000-0000-0000-0000-000000000000",
    latency_seconds=1.0,
    permit_wait_seconds=0.5,
    bytes_sent=4 * PHOTO_BYTES // 3,
)


def main() -> None:
    """Measure as asked for on the command line, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=PHOTOS, help="how many are run")
    tell(measure(parser.parse_args().photos))


def measure(photos: int = PHOTOS) -> Iterator[tuple[str, Figures]]:
    """Yield what so many photos leave in each table, per photo."""
    with tempfile.TemporaryDirectory() as name, Ground(0.0, 0.0, settings={"autovacuum_naptime": "5s"}) as ground:
        url = ground.servers.database_url
        handover.hand_in(url, Path(name), photos)
        engine = make_engine(url, pool_size=THREADS + 1, is_by_key=True)
        began = time.monotonic()
        live(engine, photos)
        seconds = time.monotonic() - began
        passing = {"passing_mb": round(sum(_left(ground, table, 1)["bytes"] for table in PASSING) / 1e6, 1)}
        yield "lived", {"photos": photos, "per_second": round(photos / seconds), **_updates(ground, photos), **passing}
        left = {table: _left(ground, table, photos) for table in TABLES}
        for table in TABLES:
            ground.database.execute(f"VACUUM FULL {table}".encode())
            rewritten = _left(ground, table, photos)["bytes"]
            figures: Figures = {"table": table, **left[table], "rewritten": rewritten}
            yield "left", figures
        engine.dispose()


def live(engine: Engine, photos: int) -> None:
    """Let so many photos live their lives."""
    done, next_duties = 0, 0.0
    with ThreadPoolExecutor(THREADS) as threads:
        while done < photos:
            if time.monotonic() >= next_duties:
                next_duties = time.monotonic() + DUTIES_SECONDS
                _look_after(engine)
            due = transact(engine, lambda connection: queue.queue_due(connection, Lane.BULK, WINDOW))
            ids = [job.id for job in due]
            groups = [ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)]
            done += sum(threads.map(lambda group: _run(engine, group), groups))
    _look_after(engine)


def _look_after(engine: Engine) -> None:
    for duty in (tallies.fold, costs.fold, batches.finish_settled):
        transact(engine, duty)
    transact(engine, lambda connection: call_rates.record(connection, 90.0))


def _run(engine: Engine, ids: Sequence[int]) -> int:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = jobs.claim_each(connection, {job_id: uuid4() for job_id in ids}, worker="bench", lease_seconds=60.0)
        claimed = list(found.values())
        hashes = {job.id: hashlib.sha256(str(job.id).encode()).hexdigest() for job in claimed}
        noted = [Noted(job, hashes[job.id], hashes[job.id], PHOTO_BYTES, 640, 800) for job in claimed]
        twins.note_sources(connection, noted)
        opened = attempts.open_calls(connection, claimed, worker="bench", account=ACCOUNT, price=Decimal("0.01"))
        links = [Paid(job, opened[job.id], PAID, f"https://outputs.example/{hashes[job.id]}.jpg") for job in claimed]
        paid.note_each(connection, links, ACCOUNT)
        clean = [
            Clean(
                job,
                opened[job.id],
                hashes[job.id][::-1],
                b"",
                f"file:///artifacts/{hashes[job.id][:2]}/{hashes[job.id][::-1]}.jpg",
                "JPEG",
                640,
                800,
                Changed(0.05),
                PHOTO_BYTES,
            )
            for job in claimed
        ]
        success.succeed_each(connection, clean)
    return len(claimed)


def _updates(ground: Ground, photos: int) -> Figures:
    counted = ground.counted()
    return {
        "jobs_updates": round(counted.updates / photos, 2),
        "jobs_hot_share": round(counted.hot_updates / counted.updates, 3),
    }


def _left(ground: Ground, table: str, photos: int) -> dict[str, float]:
    row = ground.database.execute(
        "SELECT pg_table_size(relid), pg_indexes_size(relid), n_dead_tup FROM pg_stat_user_tables WHERE relname = %s",
        (table,),
    ).fetchone()
    assert row is not None
    rows, indexes, dead = row
    return {
        "bytes": round((rows + indexes) / photos),
        "of_indexes": round(indexes / photos),
        "dead_share": round(dead / photos, 3),
    }


if __name__ == "__main__":
    main()
