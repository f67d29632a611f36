"""Photos on which nothing is to be taken off: told apart before the call, not called for, and called for when asked."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from core.errors import LeaseLost
from core.states import NOTHING_TO_REMOVE, JobState, Lane, Screen
from db import artifacts, looks, prospects, requeues, reviews
from photos.findings import FindingKind, PhotoFinding
from producer.intake import BatchOptions
from tests.worker.conftest import MakeBench
from worker import metrics
from worker.call import NotCalled
from worker.lookers import Crowded, GivenUp, Lookers

TEXT = PhotoFinding(FindingKind.TEXT, (0.1, 0.1, 0.3, 0.1), 0.9, is_solid=True, on_subject=0.0)
SKIP, REPORT = BatchOptions(screen=Screen.SKIP), BatchOptions(screen=Screen.REPORT)
STATES = "SELECT name, state, code, is_bare, attempts FROM jobs ORDER BY name"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with a photo that is named to have something on it and one that has not."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, level in (("bare", 90), ("overlaid", 200)):
        Image.linear_gradient("L").point(lambda value, most=level: value * most // 255).resize((600, 520)).convert(
            "RGB"
        ).save(folder / f"{name}.jpg", quality=90)
    return folder


@pytest.fixture
def look(photos: Path) -> "Counted":
    return Counted((photos / "bare.jpg").read_bytes())


class Counted:
    """Finds something on each photo but one, and counts how often it looked."""

    def __init__(self, bare: bytes) -> None:
        self.bare = bare
        self.looks = 0

    def __call__(self, data: bytes) -> list[PhotoFinding]:
        self.looks += 1
        return [] if data == self.bare else [TEXT]


def test_what_has_nothing_on_it_is_clean_as_it_is_and_not_called_for(
    make_bench: MakeBench, photos: Path, look: Counted
) -> None:
    bench = make_bench(look=look)
    bench.submit(photos, SKIP)
    endings = bench.run_out()
    assert {(each.state, each.code) for each in endings} == {
        (JobState.SUCCEEDED, NOTHING_TO_REMOVE),
        (JobState.SUCCEEDED, "200"),
    }
    bare, overlaid = bench.rows(STATES)
    assert (bare["code"], bare["is_bare"], bare["attempts"]) == (NOTHING_TO_REMOVE, True, 0)
    assert (overlaid["code"], overlaid["is_bare"]) == ("200", False)
    assert bench.sandbox.stats()["accepted"] == 1
    assert len(bench.attempts()) == 1
    [sha256] = [row["artifact_sha256"] for row in bench.rows("SELECT * FROM jobs WHERE is_bare")]
    assert artifacts.fetch(bench.engine, sha256) == look.bare


def test_a_photo_is_looked_at_once_ever_and_what_was_not_called_for_serves_no_job_that_is_called(
    make_bench: MakeBench, photos: Path, look: Counted
) -> None:
    bench = make_bench(look=look)
    bench.submit(photos, SKIP)
    bench.run_out()
    bench.submit(photos, BatchOptions(screen=Screen.SKIP, elements=(1, 2, 3)))
    bench.run_out()
    assert look.looks == 2
    calls = bench.sandbox.stats()["accepted"]
    bench.submit(photos)
    bench.run_out()
    # The one that was skipped is called for now; the other was cleaned before.
    assert bench.sandbox.stats()["accepted"] == calls + 1


def test_a_requeue_calls_for_what_was_skipped(make_bench: MakeBench, photos: Path, look: Counted) -> None:
    bench = make_bench(look=look)
    bench.submit(photos, SKIP)
    bench.run_out()
    with bench.engine.begin() as connection:
        assert requeues.requeue(connection, 1, NOTHING_TO_REMOVE, state=JobState.SUCCEEDED) == 1
    bench.run_out()
    bare, overlaid = bench.rows(STATES)
    assert (bare["state"], bare["code"], bare["attempts"]) == ("succeeded", "200", 1)
    assert overlaid["attempts"] == 1
    assert bench.sandbox.stats()["accepted"] == 2
    with bench.engine.begin() as connection:
        assert looks.count(connection, 1) == looks.Screened()


def test_of_the_same_photo_that_was_skipped_several_times_one_is_called_for(
    make_bench: MakeBench, photos: Path, look: Counted
) -> None:
    for name in ("c", "d"):
        (photos / f"{name}.jpg").write_bytes(look.bare)
    bench = make_bench(look=look, hold_unchanged_below=1.0)
    bench.submit(photos, SKIP)
    bench.run_out()
    before = bench.sandbox.stats()["accepted"]
    with bench.engine.begin() as connection:
        asked = prospects.look_ahead(connection, 1, NOTHING_TO_REMOVE, state=JobState.SUCCEEDED)
        assert requeues.requeue(connection, 1, NOTHING_TO_REMOVE, state=JobState.SUCCEEDED) == 3
    bench.run_out()
    assert asked == prospects.Prospect(photos=3, calls=1)
    assert bench.sandbox.stats()["accepted"] == before + 1
    # What the one came to waits for a person, and so do the others.
    assert sorted(row["state"] for row in bench.rows("SELECT state FROM jobs")) == ["held"] * 4


def test_of_the_same_photo_that_is_held_several_times_one_is_called_for_again(
    make_bench: MakeBench, photos: Path, look: Counted
) -> None:
    for name in ("c", "d"):
        (photos / f"{name}.jpg").write_bytes(look.bare)
    bench = make_bench(look=look, hold_unchanged_below=1.0)
    bench.submit(photos)
    bench.run_out()
    assert bench.sandbox.stats()["accepted"] == 2
    with bench.engine.begin() as connection:
        assert requeues.requeue(connection, 1, state=JobState.HELD) == 4
    bench.run_out()
    assert bench.sandbox.stats()["accepted"] == 4


def test_a_photo_that_was_skipped_and_is_rejected_is_called_for_when_it_is_asked_for_again(
    make_bench: MakeBench, photos: Path, look: Counted
) -> None:
    bench = make_bench(look=look)
    bench.submit(photos, SKIP)
    bench.run_out()
    calls = bench.sandbox.stats()["accepted"]
    [job_id] = [row["id"] for row in bench.rows("SELECT id FROM jobs WHERE is_bare")]
    with bench.engine.begin() as connection:
        reviews.reject(connection, [job_id], also_clean=True)
        assert looks.count(connection, 1) == looks.Screened()
    # It says nothing of what a call makes of the same photo elsewhere.
    bench.submit(photos)
    bench.run_out()
    assert bench.sandbox.stats()["accepted"] == calls + 1
    with bench.engine.begin() as connection:
        assert requeues.requeue_some(connection, 1, [job_id]) == 1
    bench.run_out()
    row = bench.rows(f"SELECT state, code FROM jobs WHERE id = {job_id}")[0]
    assert (row["state"], row["code"]) == ("succeeded", "200")


def test_a_report_calls_for_all_and_tells_what_skipping_would_save(
    make_bench: MakeBench, photos: Path, look: Counted
) -> None:
    bench = make_bench(look=look)
    bench.submit(photos, REPORT)
    bench.run_out()
    assert [row["code"] for row in bench.rows(STATES)] == ["200", "200"]
    assert bench.sandbox.stats()["accepted"] == 2
    with bench.engine.begin() as connection:
        assert looks.count(connection, 1) == looks.Screened(bare=1, skipped=0)


@pytest.mark.parametrize("options", [SKIP, REPORT], ids=["skip", "report"])
def test_what_carries_nothing_is_counted_once_and_not_before_it_is_written_down(
    make_bench: MakeBench, photos: Path, look: Counted, options: BatchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "overlaid.jpg").unlink()
    bench = make_bench(look=look)
    bench.submit(photos, options)
    counted = metrics.BARE.labels(Lane.BULK, options.screen)

    def read() -> float:
        return float(counted._value.get())

    before = read()
    with monkeypatch.context() as patch:

        def lose(*_: object) -> None:
            raise LeaseLost("another worker has it")

        patch.setattr(bench.pipeline._tools.finisher, "skip", lose)
        patch.setattr(bench.pipeline._tools.screener, "note_bare", lose)
        bench.run_due()
        assert read() == before
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET state = 'pending', lease_token = NULL, lease_expires_at = NULL"))
    with monkeypatch.context() as patch:

        def stop(*_: object) -> None:
            raise NotCalled("the worker stops")

        patch.setattr(bench.pipeline._tools.caller, "call", stop)
        bench.run_due()
    bench.run_out()
    assert bench.job()["state"] == "succeeded"
    assert read() == before + 1


@pytest.mark.parametrize(
    "options",
    [BatchOptions(), BatchOptions(screen=Screen.SKIP, mask="box 0,0,50,50")],
    ids=["no screen", "a mask, below which all goes"],
)
def test_nothing_is_looked_at_that_nobody_asked_for(
    make_bench: MakeBench, photos: Path, look: Counted, options: BatchOptions
) -> None:
    bench = make_bench(look=look)
    bench.submit(photos, options)
    bench.run_due()
    assert look.looks == 0
    assert bench.sandbox.stats()["accepted"] == 2


def test_what_cannot_be_looked_at_is_called_for(make_bench: MakeBench, photos: Path) -> None:
    def fail(_: bytes) -> list[PhotoFinding]:
        raise RuntimeError("no model")

    bench = make_bench(look=fail)
    bench.submit(photos, SKIP)
    bench.run_out()
    assert [row["code"] for row in bench.rows(STATES)] == ["200", "200"]
    without_the_extra = make_bench()
    without_the_extra.submit(photos, BatchOptions(screen=Screen.SKIP, elements=(3,)))
    without_the_extra.run_out()
    assert bench.rows("SELECT code FROM jobs WHERE batch_id = 2") == [{"code": "200"}] * 2
    with bench.engine.begin() as connection:
        assert [looks.count(connection, batch_id).has_unlooked for batch_id in (1, 2)] == [True, True]


def test_what_need_not_be_looked_at_is_not_told_of(make_bench: MakeBench, photos: Path, look: Counted) -> None:
    bench = make_bench(look=look)
    bench.submit(photos, SKIP)
    bench.run_out()
    blind = make_bench()
    with blind.engine.begin() as connection:
        assert requeues.requeue(connection, 1, NOTHING_TO_REMOVE, state=JobState.SUCCEEDED) == 1
    blind.run_out()
    blind.submit(photos, BatchOptions(screen=Screen.SKIP, mask="box 0,0,50,50"))
    blind.submit(photos, BatchOptions(elements=(3,)))
    blind.run_out()
    assert blind.rows("SELECT has_unlooked FROM batches") == [{"has_unlooked": False}] * 3


def test_nobody_waits_to_tell_that_a_photo_was_not_looked_at(make_bench: MakeBench, photos: Path) -> None:
    bench = make_bench()
    bench.submit(photos, SKIP)
    with bench.engine.begin() as connection:
        connection.execute(text("SELECT FROM batches WHERE id = 1 FOR NO KEY UPDATE"))
        with bench.engine.begin() as other:
            assert not looks.note_unlooked(other, 1)
    with bench.engine.begin() as connection:
        assert looks.note_unlooked(connection, 1)
        assert looks.note_unlooked(connection, 1)


def test_a_photo_that_finds_no_place_gives_its_thread_to_others(
    make_bench: MakeBench, photos: Path, look: Counted
) -> None:
    bench = make_bench(look=look, look_places=1)
    bench.submit(photos, SKIP)
    lookers = bench.pipeline._tools.screener._lookers
    assert lookers is not None
    with lookers.place():
        assert {ending.code for ending in bench.run_due()} == {"snoozed"}
        assert look.looks == 0
    bench.run_out()
    assert bench.rows("SELECT sum(snoozes) AS n FROM jobs") == [{"n": 2}]
    assert {row["state"] for row in bench.rows(STATES)} == {"succeeded"}


def looking(threads: int, places: int = 4) -> tuple[Lookers, list[bytes], threading.Semaphore, threading.Semaphore]:
    """Return lookers that tell when they begin, and go on when they are let."""
    begun, let = threading.Semaphore(0), threading.Semaphore(0)
    order: list[bytes] = []

    def look(data: bytes) -> list[PhotoFinding]:
        order.append(data)
        begun.release()
        assert let.acquire(timeout=60)
        return []

    return Lookers(look, threads=threads, places=places), order, begun, let


def run(*calls: Callable[[], object]) -> list[threading.Thread]:
    started = [threading.Thread(target=call) for call in calls]
    for each in started:
        each.start()
    return started


def test_no_more_are_looked_at_at_once_than_there_are_threads_and_interactive_ones_come_first() -> None:
    lookers, order, begun, let = looking(1)
    first = run(lambda: lookers.look(b"first", Lane.BULK))
    assert begun.acquire(timeout=60)
    others = run(lambda: lookers.look(b"bulk", Lane.BULK))
    while lookers._wanted.qsize() < 1:
        threading.Event().wait(0.001)
    others += run(lambda: lookers.look(b"interactive", Lane.INTERACTIVE))
    while lookers._wanted.qsize() < 2:
        threading.Event().wait(0.001)
    assert order == [b"first"]
    for _ in range(3):
        let.release()
    for thread in first + others:
        thread.join(timeout=60)
    assert order == [b"first", b"interactive", b"bulk"]


def test_places_are_bounded_and_a_wait_is_given_up() -> None:
    lookers, order, begun, let = looking(1, places=1)
    with lookers.place(), pytest.raises(Crowded), lookers.place():
        pass
    busy = run(lambda: lookers.look(b"first", Lane.BULK))
    assert begun.acquire(timeout=60)
    with pytest.raises(GivenUp):
        lookers.look(b"second", Lane.BULK, lambda: True)
    let.release()
    busy[0].join(timeout=60)
    assert order == [b"first"]
