"""How soon pages come when there are many photos: `python -m bench.pages`.

The slowest page of the console and of a batch's photos among 100,000, and how long a page takes while sixty people
watch. Prints one JSON object a line.
"""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
from sqlalchemy import Engine, text

from bench.console import served
from bench.figures import Figures, tell, timed
from db import listings, tallies
from db.migrate import upgrade
from db.session import make_engine
from localstack.embedded import EmbeddedPostgres

JOBS = 100_000
WATCHERS = 60
PATHS = (
    "/",
    "/batches",
    "/batches/1",
    "/batches/2",
    "/batches/1?state=dead&code=703",
    "/batches/1?sku=s-50",
    "/batches/1?after=90000",
    "/jobs/50000",
    "/review",
    "/review?batch=2",
    "/audit",
)


def main() -> None:
    """Run every measurement and print it."""
    tell(measure())


def measure() -> Iterator[tuple[str, Figures]]:
    """Yield each measurement's name and figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        with EmbeddedPostgres(folder) as server:
            upgrade(server.url)
            engine = make_engine(server.url)
            fill(engine)
            yield "lists of photos", lists(engine)
            yield "pages", pages(engine)
            engine.dispose()


def fill(engine: Engine) -> None:
    """Make two batches with photos in all states."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for state in ("active", "finished"):
            connection.execute(
                text(
                    "INSERT INTO batches (name, source_key, lane, state, options, finished_at) "
                    "VALUES ('b', 'k', 'bulk', :s, '{}', CASE WHEN :s = 'finished' THEN now() END)"
                ),
                {"s": state},
            )
        connection.execute(
            text(
                "INSERT INTO artifacts (sha256, uri, size_bytes, format, width, height) "
                "VALUES ('0', 'postgres:', 1, 'JPEG', 1, 1)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, sku, code, message, elements, "
                "subject_elements, artifact_sha256, finished_at) "
                "SELECT 1 + n % 2, CASE WHEN n % 10 = 0 THEN 'dead' WHEN n % 50 = 1 THEN 'held' "
                "WHEN n % 2 = 0 THEN 'pending' ELSE 'succeeded' END, 'https://shop.example/' || n, n::text, "
                "n || '.jpg', 's-' || n, CASE WHEN n % 10 = 0 THEN '703' WHEN n % 50 = 1 THEN 'unchanged' ELSE '200' "
                "END, 'because', '{1}', '{1}', CASE WHEN n % 2 = 1 AND n % 50 <> 1 THEN '0' END, "
                "CASE WHEN n % 10 = 0 OR n % 2 = 1 THEN now() END FROM generate_series(1, :jobs) AS n"
            ),
            {"jobs": JOBS},
        )
    with engine.begin() as connection:
        tallies.fold(connection)
        connection.execute(text("ANALYZE jobs"))


def lists(engine: Engine) -> Figures:
    """Ask for pages of one batch's photos by what they can be asked by."""
    asked: list[dict[str, str]] = [{}, {"state": "pending"}, {"code": "703"}, {"state": "held"}, {"sku": "s-50"}]
    with engine.connect() as connection:
        found = {
            str(wanted): timed(lambda wanted=wanted: listings.list_jobs(connection, 1, limit=100, **wanted))  # type: ignore[misc]
            for wanted in asked
        }
    return {"slowest": max(found, key=found.__getitem__), "slowest_ms": round(max(found.values()) * 1000, 1)}


def pages(engine: Engine) -> Figures:
    """Ask for the console's pages, alone and while others watch."""
    with served(engine) as client:
        found = {path: timed(lambda path=path: client.get(path).raise_for_status()) for path in PATHS}  # type: ignore[misc]
        opened, stop = threading.Barrier(WATCHERS + 1), threading.Event()

        def watch() -> None:
            with (
                httpx.Client(base_url=client.base_url, cookies=client.cookies, timeout=60, verify=False) as other,
                other.stream("GET", "/live/overview") as answer,
            ):
                next(answer.iter_lines())
                opened.wait()
                stop.wait()

        watchers = [threading.Thread(target=watch) for _ in range(WATCHERS)]
        for each in watchers:
            each.start()
        opened.wait()
        watched = timed(lambda: client.get("/batches/1").raise_for_status())
        stop.set()
        for each in watchers:
            each.join()
    return {
        "slowest": max(found, key=found.__getitem__),
        "slowest_ms": round(max(found.values()) * 1000, 1),
        f"ms_while_{WATCHERS}_watch": round(watched * 1000, 1),
    }


if __name__ == "__main__":
    main()
