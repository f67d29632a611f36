"""What a large backlog costs: `python -m bench.growth [--sizes 1000,100000,1000000] [--large]`.

So many jobs are pending. What everybody waits for is timed, once with the planner's statistics as intake leaves them,
and once with those of a table in which nothing has ever been pending: what a database believes that was used a little
before a large batch came, until it is analysed again. Prints one JSON object a line; times are in milliseconds.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from actions import batches as batch_actions
from actions import requeue as requeue_actions
from bench import handover, latency
from bench.console import served
from bench.figures import Figures, tell, timed
from bench.ground import Ground
from core.decision import Decision
from core.settings import Settings
from core.states import JobState, Lane
from db import batches, cancels, costs, queue, requeues, tallies
from db.rescues import Lapsed
from db.session import is_busy, make_engine, transact
from producer.dispatcher import Dispatcher, DispatcherOptions
from producer.publisher import Publisher

SIZES = (1_000, 100_000, 1_000_000)
LARGE = 5_000_000
REQUEUED = 100_000
RATE = 200.0
DISPATCH_SECONDS = 6.0
REQUEUE_SECONDS = 15.0
PATIENCE_SECONDS = 20
PICKED = 200
DEAD_BATCHES = {"fresh": 2, "stale": 3}
"""What is requeued with which statistics."""
SETTINGS = Settings(_env_file=None)


class CountingPublisher(Publisher):
    """Publishes, and remembers what."""

    def publish(self, jobs: Sequence[tuple[int, int]], lane: Lane) -> None:  # type: ignore[override]
        """Send one message a job."""
        self.sent.extend(jobs)
        super().publish(jobs, lane)

    sent: list[tuple[int, int]]


def main() -> None:
    """Measure as asked for on the command line, and print it."""
    tell(measure(read_options()))


def read_options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what was asked for on the command line, or in `argv`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="pending jobs, separated by commas")
    parser.add_argument("--large", action="store_true", help=f"{LARGE:,} too")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> Iterator[tuple[str, Figures]]:
    """Yield each measurement's name and figures."""
    sizes = [int(size) for size in options.sizes.split(",")] + ([LARGE] if options.large else [])
    for size in sizes:
        with (
            tempfile.TemporaryDirectory() as name,
            # Statistics stay as they are made here; rows are cleared away as anywhere.
            Ground(5.0, 0.2, settings={"autovacuum_analyze_threshold": "2147483647"}) as ground,
        ):
            folder = Path(name)
            url = ground.servers.database_url
            yield "intake", {"pending": size, **handover.hand_in(url, folder, size)}
            engine = make_engine(url)
            for batch_id in DEAD_BATCHES.values():
                add_dead(engine, batch_id, REQUEUED)
            yield "size", {"pending": size, **sizes_of(engine, size)}
            for state, batch_id in DEAD_BATCHES.items():
                if state == "stale":
                    spoil_statistics(engine)
                figures = {**look(engine, ground), **requeue(engine, batch_id)}
                yield "backlog", {"pending": size, "statistics": state, **figures}
            if size == sizes[-1]:
                yield "export", handover.take_out(engine, url, folder)
            yield "fleet", {"pending": size, **latency.measure(ground, engine, folder)}
            engine.dispose()


def look(engine: Engine, ground: Ground) -> Figures:
    """Time what is done while so many are pending."""
    figures: Figures = dict(dispatch(engine, ground))

    def within(work: Callable[[Connection], object]) -> Callable[[], object]:
        def run() -> None:
            # Taken back, so that the next finds everything as it was.
            with engine.connect() as connection, connection.begin() as transaction:
                connection.execute(text(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS} s'"))
                work(connection)
                transaction.rollback()

        return run

    def status(connection: Connection) -> None:
        tallies.counts(connection, 1)
        costs.spent(connection, 1)

    def cancel(connection: Connection) -> None:
        batch_actions.cancel(connection, "bench", 1)

    def cancel_further(connection: Connection) -> None:
        cancel(connection)
        cancels.cancel_stragglers(connection)

    def resume(connection: Connection) -> None:
        batches.pause(connection, 1, "by hand")
        batch_actions.resume(connection, "bench", 1, SETTINGS)

    figures |= {
        "pick_ms": milliseconds(within(lambda connection: queue.queue_due(connection, Lane.BULK, PICKED))),
        "count_live_ms": milliseconds(within(queue.count_live)),
        "finish_settled_ms": milliseconds(within(batches.finish_settled)),
        "status_ms": milliseconds(within(status)),
        "pause_ms": milliseconds(within(lambda connection: batch_actions.pause(connection, "bench", 1))),
        "resume_ms": milliseconds(within(resume)),
        "cancel_ms": milliseconds(within(cancel), times=1),
        "cancel_20000_ms": milliseconds(within(cancel_further), times=1),
    }
    with served(engine) as client:
        figures["overview_ms"] = milliseconds(lambda: client.get("/").raise_for_status())
    return figures


def requeue(engine: Engine, batch_id: int) -> Figures:
    """Send a batch of dead photos round again, as action and dispatcher do, for a while, and pause it."""
    began = time.perf_counter()
    with engine.begin() as connection:
        asked = requeue_actions.requeue(connection, "bench", batch_id, SETTINGS, state=JobState.DEAD)
    answered = time.perf_counter()
    is_done = False
    while not is_done and time.perf_counter() < answered + REQUEUE_SECONDS:
        is_done = not transact(engine, requeues.go_on)
    took = time.perf_counter() - began
    transact(engine, lambda connection: batches.pause(connection, batch_id, "by hand"))
    counts = transact(engine, lambda connection: tallies.counts(connection, batch_id))
    return {
        "requeue_answered_ms": round((answered - began) * 1000, 1),
        f"requeue_{asked}_ms": round(took * 1000, 1) if is_done else f"over {took * 1000:.0f}",
        "requeued_per_second": round(counts.pending / took),
    }


def dispatch(engine: Engine, ground: Ground) -> Figures:
    """Let the dispatcher fill its window again and again, and return how fast it is."""
    publisher = CountingPublisher(ground.servers.redis_url)
    publisher.sent = []
    dispatcher = Dispatcher(engine, publisher, DispatcherOptions("bench", RATE, 30.0), _never)
    sent, seconds, slowest, memory = 0, 0.0, 0.0, 0
    until = time.monotonic() + DISPATCH_SECONDS
    try:
        while time.monotonic() < until:
            took = timed(dispatcher.tick)
            seconds, slowest = seconds + took, max(slowest, took)
            memory = max(memory, int(ground.redis.info("memory")["used_memory"]))
            sent += len(publisher.sent)
            with engine.begin() as connection:
                queue.unqueue(connection, publisher.sent)
            publisher.sent = []
            ground.redis.flushall()
    except Exception as error:
        return {"dispatched_per_second": round(sent / max(1e-9, seconds), 1), "dispatch_failed": _first_line(error)}
    return {
        "dispatched_per_second": round(sent / seconds, 1),
        "slowest_round_ms": round(slowest * 1000, 1),
        "redis_mb": round(memory / 1e6, 2),
    }


def spoil_statistics(engine: Engine) -> None:
    """Let the planner believe that the table is small, and that every job in it has succeeded."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', 'jobs', "
                "'relpages', 100, 'reltuples', CAST(3000 AS real), 'relallvisible', 100)"
            )
        )
        connection.execute(
            text(
                "SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', 'jobs', 'attname', 'state', "
                "'inherited', false, 'null_frac', CAST(0 AS real), 'avg_width', 10, 'n_distinct', CAST(1 AS real), "
                "'most_common_vals', '{succeeded}', 'most_common_freqs', CAST('{1}' AS real[]))"
            )
        )


def add_dead(engine: Engine, batch_id: int, jobs: int) -> None:
    """Make a batch whose photos are all dead."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(
            text(
                "INSERT INTO batches (name, source_key, lane, state, options, finished_at) "
                "VALUES ('dead', :key, 'bulk', 'finished', '{}', now())"
            ),
            {"key": f"dead {batch_id}"},
        )
        connection.execute(
            text(
                "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, code, message, elements, "
                "subject_elements, finished_at) SELECT :batch, 'dead', 'https://shop.example/dead/' || n, 'dead' || n, "
                "n || '.jpg', '801', 'because', '{1}', '{1}', now() FROM generate_series(1, :jobs) AS n"
            ),
            {"batch": batch_id, "jobs": jobs},
        )
    with engine.begin() as connection:
        tallies.fold(connection)
        connection.execute(text("ANALYZE jobs"))


def sizes_of(engine: Engine, pending: int) -> Figures:
    """Return what the jobs take on disk."""
    statement = text("SELECT pg_table_size('jobs') AS rows, pg_indexes_size('jobs') AS indexes")
    with engine.connect() as connection:
        row = connection.execute(statement).one()
    jobs = pending + REQUEUED * len(DEAD_BATCHES)
    return {"bytes_per_job": round(row.rows / jobs), "index_bytes_per_job": round(row.indexes / jobs)}


def milliseconds(work: Callable[[], object], *, times: int = 3) -> float | str:
    """Return the middle of a few times, or what went wrong."""
    found: list[float] = []
    try:
        while len(found) < times and sum(found) < PATIENCE_SECONDS / 2:
            found.append(timed(work))
    except SQLAlchemyError as error:
        return f"over {PATIENCE_SECONDS} s" if is_busy(error) else _first_line(error)
    return round(statistics.median(found) * 1000, 1)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:120]


def _never(lapsed: Lapsed) -> Decision:
    raise AssertionError(f"nobody had job {lapsed.id}")


if __name__ == "__main__":
    main()
