"""Photos handed in and taken out: rows a second, and memory."""

import hashlib
import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from sqlalchemy import Engine, text

from bench.figures import Figures, timed
from core.states import Send
from db.session import make_engine
from exporting.folder import export_photos
from producer.catalogue.source import read_source
from producer.intake import BatchOptions, submit

EXPORTED = 2_000
OUTPUT = b"\xff" * 1000
_SPAWN = multiprocessing.get_context("spawn")


def hand_in(database_url: str, folder: Path, rows: int) -> Figures:
    """Submit a file of so many URLs from a process of its own, and return what that took."""
    path = folder / f"urls-{rows}.txt"
    with path.open("w") as file:
        file.writelines(f"https://shop.example/{number}.jpg\n" for number in range(rows))
    return _apart(_submit, database_url, path)


def take_out(engine: Engine, database_url: str, folder: Path) -> Figures:
    """Export outputs of a kilobyte, so that it is the rows that are measured, and not the disk."""
    store = folder / "store"
    store.mkdir(exist_ok=True)
    (store / "one").write_bytes(OUTPUT)
    sha256 = hashlib.sha256(OUTPUT).hexdigest()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO artifacts (sha256, uri, size_bytes, format, width, height) "
                "VALUES (:s, :u, 1000, 'JPEG', 640, 800)"
            ),
            {"s": sha256, "u": (store / "one").as_uri()},
        )
        batch_id = connection.execute(
            text(
                "INSERT INTO batches (name, source_key, lane, state, options, finished_at) "
                "VALUES ('out', 'out', 'bulk', 'finished', '{}', now()) RETURNING id"
            )
        ).scalar_one()
        connection.execute(
            text(
                "INSERT INTO jobs (batch_id, state, source_uri, item_key, name, code, elements, subject_elements, "
                "artifact_sha256, finished_at) SELECT :batch, 'succeeded', 'https://shop.example/' || n, n::text, "
                "n || '.jpg', '200', '{1}', '{1}', :s, now() FROM generate_series(1, :n) AS n"
            ),
            {"batch": batch_id, "s": sha256, "n": EXPORTED},
        )
    out = folder / "out"
    out.mkdir(exist_ok=True)
    return _apart(_export, database_url, out, int(batch_id))


def _submit(pipe: Pipe, database_url: str, path: Path) -> None:
    def work() -> int:
        with make_engine(database_url, pooled=False).begin() as connection:
            options = BatchOptions(send=Send.BYTES)
            return submit(connection, read_source(path), name="many", source=str(path), options=options).added

    _tell(pipe, work)


def _export(pipe: Pipe, database_url: str, out: Path, batch_id: int) -> None:
    _tell(pipe, lambda: sum(1 for _ in export_photos(make_engine(database_url, pooled=False), batch_id, out)))


def _tell(pipe: Pipe, work: Callable[[], int]) -> None:
    rows: list[int] = []
    seconds = timed(lambda: rows.append(work()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    pipe.send({"rows": rows[0], "rows_per_second": round(rows[0] / seconds), "peak_mb": round(peak, 1)})


def _apart(work: Callable[..., None], *arguments: object) -> Figures:
    """Run it in a process of its own, whose memory is nobody else's."""
    mine, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=work, args=(theirs, *arguments))
    began = time.monotonic()
    process.start()
    theirs.close()
    try:
        figures: Figures = mine.recv()
    except EOFError:
        figures = {"failed": f"after {time.monotonic() - began:.0f} s"}
    process.join()
    return figures
