"""What a worker counts is what was stored, once."""

from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from core import counted
from core.errors import DatabaseDown
from db import cancels
from db.store.postgres import PostgresStore
from tests.db.rows import put, rescue
from tests.worker.conftest import MakeBench
from worker import metrics
from worker.finish import Finisher
from worker.writes import Writes


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (600, 600), (10, 200, 90)).save(path, quality=95)
    return path


def test_bytes_of_outputs_are_counted_once_they_are_stored(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)
    before = metrics.ARTIFACT_BYTES._value.get()

    def refuse(*_: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PostgresStore, "upload", refuse)
        for _ in range(3):
            bench.run_due()
    assert metrics.ARTIFACT_BYTES._value.get() - before == 0
    bench.run_out()
    stored = bench.rows("SELECT coalesce(sum(size_bytes), 0) AS n FROM artifacts")[0]["n"]
    assert metrics.ARTIFACT_BYTES._value.get() - before == stored


def test_a_photo_is_counted_as_reused_once(make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make_bench()
    bench.submit(photo)
    bench.run_out()
    copy = photo.with_name("copy.jpg")
    copy.write_bytes(photo.read_bytes())
    bench.submit(copy)
    counted = metrics.REUSED.labels("bulk")
    before = counted._value.get()

    def down(*_: object, **__: object) -> object:
        raise DatabaseDown("PostgreSQL cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(Finisher, "_write", down)
        bench.run_due()
    with bench.engine.begin() as connection:
        put(connection, "pending", "state = 'running'")
    endings = bench.run_out()
    assert [ending.code for ending in endings] == ["reused"]
    assert counted._value.get() - before == 1


def calls_counted() -> float:
    return sum(
        sample.value
        for metric in counted.CALLS.collect()
        for sample in metric.samples
        if sample.name == "cleanplate_calls_total"
    )


def test_a_call_that_could_not_be_written_down_is_left_to_the_rescue(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)
    before = calls_counted()

    def down(*_: object, **__: object) -> object:
        raise DatabaseDown("PostgreSQL cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(Writes, "note_paid", lambda *_: False)
        patch.setattr(Finisher, "_write", down)
        bench.run_due()
    assert bench.rows("SELECT count(*) AS n FROM attempts WHERE answered_at IS NULL")[0]["n"] == 1
    assert calls_counted() == before
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second'"))
        assert [each.attempt_id for each in rescue(connection)] == [1]
    bench.run_out()
    assert calls_counted() == before + 1


def test_a_job_of_a_cancelled_batch_is_told_of_as_cancelled(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)
    bench.sandbox.configure(next=["801"])
    call = bench.pipeline._call

    def cancel_meanwhile(*given: object) -> object:
        answer = call(*given)  # type: ignore[arg-type]
        with bench.engine.begin() as connection:
            cancels.cancel(connection, 1)
        return answer

    monkeypatch.setattr(bench.pipeline, "_call", cancel_meanwhile)
    [ending] = bench.run_due()
    assert bench.job()["state"] == "cancelled"
    assert ending.state == "cancelled"
