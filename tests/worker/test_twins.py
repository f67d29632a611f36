"""Identical photos: what one of them has paid for serves all, whatever happens on the way."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text

from core.errors import SourceUnreachable
from core.net.addresses import AllowList
from core.states import Lane
from db import artifacts, circuits, queue, redo, requeues, reviews
from producer.intake import BatchOptions
from sandbox.answers import HttpAnswer
from sandbox.handler import Handler
from tests.db.rows import OUTPUT, put, rescue
from tests.photos.metadata.telling import jpeg, segment, tiff, told
from tests.photos.pictures import drawn
from tests.worker.conftest import Bench, MakeBench
from worker import paid_output
from worker.output import collect
from worker.policy import OUTPUT_DOWNLOADS


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.linear_gradient("L").resize((600, 520)).convert("RGB").save(folder / "a.jpg", quality=90)
    shutil.copy(folder / "a.jpg", folder / "b.jpg")
    return folder


def pay_without_fetching(bench: Bench, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Run what is due, with the first output that is fetched ending in an error."""
    tries: list[int] = []

    def fail_once(*arguments: object, **named: object) -> object:
        tries.append(1)
        if len(tries) == 1:
            raise error
        return collect(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(paid_output, "collect", fail_once)
        bench.run_due()


def test_a_twin_takes_what_is_paid_for_and_not_fetched_yet(
    make_bench: MakeBench, twins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(twins)
    pay_without_fetching(bench, monkeypatch, SourceUnreachable("connect_failed", "the output's host does not answer"))
    bench.run_out()
    assert [row["state"] for row in bench.rows("SELECT state FROM jobs")] == ["succeeded"] * 2
    assert bench.sandbox.stats()["accepted"] == 1


def test_a_twin_takes_what_a_killed_worker_has_paid_for(
    make_bench: MakeBench, twins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(twins)
    with pytest.raises(SystemExit):
        pay_without_fetching(bench, monkeypatch, SystemExit())
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 s' WHERE state = 'running'"))
        assert [each.state for each in rescue(connection)] == ["pending"]
        second = connection.execute(text("SELECT job_id FROM queued_jobs")).scalar_one()
    assert bench.pipeline.run(second).state == "succeeded"
    assert [ending.code for ending in bench.run_out()] == ["reused"]
    assert bench.sandbox.stats()["accepted"] == 1


def let_outputs_answer(patch: pytest.MonkeyPatch, status: int) -> None:
    """Have the host of the outputs answer with this status, whatever it is asked for."""
    patch.setattr(Handler, "_output", lambda handler, _: handler._send(HttpAnswer("", b"not now", status)))


def test_no_twin_is_paid_for_while_the_host_of_the_outputs_is_out(
    make_bench: MakeBench, twins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("c.jpg", "d.jpg"):
        shutil.copy(twins / "a.jpg", twins / name)
    bench = make_bench()
    bench.submit(twins)
    with monkeypatch.context() as patch:
        let_outputs_answer(patch, 503)
        assert [(ending.state, ending.code) for ending in bench.run_due()] == [("pending", "output_http_503")] * 4
    assert [row["spend"] for row in bench.attempts()] == ["paid", "none", "none", "none", "none"]
    bench.run_out()
    assert [row["state"] for row in bench.rows("SELECT state FROM jobs")] == ["succeeded"] * 4
    assert bench.sandbox.stats()["accepted"] == 1


def test_twins_of_what_cannot_be_fetched_for_long_end_with_it_and_cost_nothing_afterwards(
    make_bench: MakeBench, twins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(twins)
    with monkeypatch.context() as patch:
        let_outputs_answer(patch, 503)
        bench.run_out(OUTPUT_DOWNLOADS + 2)
    rows = bench.rows("SELECT state, code, attempts, message FROM jobs ORDER BY id")
    assert [(row["state"], row["code"]) for row in rows] == [("dead", "output_http_503")] * 2
    assert "`retry`" in rows[1]["message"]
    with bench.engine.begin() as connection:
        assert requeues.requeue(connection, 1, None) == 2
    bench.run_out()
    assert [row["state"] for row in bench.rows("SELECT state FROM jobs")] == ["succeeded"] * 2
    assert bench.sandbox.stats()["accepted"] == 1


def test_what_our_own_limits_forbid_to_fetch_for_a_twin_is_not_called_for_either(
    make_bench: MakeBench, twins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(twins)
    with monkeypatch.context() as patch:
        patch.setattr(AllowList, "permits", lambda *_: False)
        bench.run_out()
    assert [row["code"] for row in bench.rows("SELECT code FROM jobs")] == ["output_address_forbidden"] * 2
    with bench.engine.begin() as connection:
        assert requeues.requeue(connection, 1, None) == 2
    bench.run_out()
    assert [row["state"] for row in bench.rows("SELECT state FROM jobs")] == ["succeeded"] * 2
    assert bench.sandbox.stats()["accepted"] == 1


def test_a_link_of_a_twin_that_leads_nowhere_is_not_waited_for(make_bench: MakeBench, twins: Path) -> None:
    bench = make_bench()
    bench.submit(twins)
    first, second = (job.id for job in queue_all(bench))
    bench.sandbox.configure(next="output_404")
    bench.pipeline.run(first)
    with bench.engine.begin() as connection:
        url = text("UPDATE jobs SET output_url = :url WHERE id = :id")
        connection.execute(url, {"url": f"{bench.sandbox.url}/nothing", "id": first})
    assert bench.pipeline.run(second).state == "succeeded"
    assert bench.sandbox.stats()["accepted"] == 2


def test_a_photo_that_was_done_again_before_it_ran_is_not_called_for(make_bench: MakeBench, twins: Path) -> None:
    (twins / "b.jpg").unlink()
    bench = make_bench()
    bench.submit(twins)
    original = bench.job()["id"]
    with bench.engine.begin() as connection:
        made = redo.add(connection, original, mask="box 0,0,9,9", input_uri=None, item_key="key").job_id
    with bench.engine.begin() as connection:
        put(connection, "succeeded", f"id = {made}")
    assert [(ending.state, ending.code) for ending in bench.run_out()] == [("succeeded", "reused")]
    assert (bench.job()["artifact_sha256"], bench.job()["reused_from"]) == (OUTPUT, made)
    assert bench.sandbox.stats()["received"] == 0


def test_probes_of_a_refused_account_spend_no_attempt(make_bench: MakeBench, twins: Path) -> None:
    (twins / "b.jpg").unlink()
    bench = make_bench(max_attempts=2)
    bench.submit(twins)
    with bench.engine.begin() as connection:
        circuits.trip(connection, "test", reason="account", code="NoResource", message="no")
    bench.sandbox.configure(faults={"http503": 1.0})
    for _ in range(3):
        with bench.engine.begin() as connection:
            circuits.probe_now(connection, "test")
        with bench.engine.begin() as connection:
            probe = circuits.queue_probe(connection, "test")
        assert probe is not None
        assert bench.pipeline.run(probe[0]).code == "http_503"
    assert (bench.job()["state"], bench.job()["attempts"]) == ("pending", 0)
    with bench.engine.connect() as connection:
        found = circuits.find_open(connection, "test")
    assert found is not None
    assert (found.reason, found.probe_due) == ("account", False)


def queue_all(bench: Bench) -> list[queue.DueJob]:
    with bench.engine.begin() as connection:
        return queue.queue_due(connection, Lane.BULK, 10)


def test_a_photo_that_came_back_as_it_was_is_no_output_of_ours(make_bench: MakeBench, twins: Path) -> None:
    (twins / "b.jpg").unlink()
    bench = make_bench(hold_unchanged_below=0)
    bench.sandbox.configure(next="unchanged*2")
    for elements in ((1, 2), (1,)):
        bench.submit(twins, BatchOptions(elements=elements))
        bench.run_out()
    assert [row["reused_from"] for row in bench.rows("SELECT * FROM jobs ORDER BY id")] == [None, None]
    assert bench.sandbox.stats()["received"] == 2


def test_our_own_output_is_not_cleaned_again(make_bench: MakeBench, tmp_path: Path, twins: Path) -> None:
    (twins / "b.jpg").unlink()
    bench = make_bench()
    bench.submit(twins, BatchOptions(elements=(1, 2)))
    bench.run_out()
    cleaned = artifacts.fetch(bench.engine, bench.job()["artifact_sha256"])
    again = tmp_path / "again"
    again.mkdir()
    (again / "copied.jpg").write_bytes(cleaned)
    for elements in ((1,), (1, 2), (1, 2, 3)):
        bench.submit(again, BatchOptions(elements=elements))
        bench.run_out()
    first, less, same, more = bench.rows("SELECT * FROM jobs ORDER BY id")
    assert (less["reused_from"], less["artifact_sha256"]) == (first["id"], first["artifact_sha256"])
    assert same["reused_from"] == first["id"]
    # What is left of it was not looked for the first time.
    assert more["reused_from"] is None
    assert bench.sandbox.stats()["received"] == 2


def outputs(bench: Bench) -> list[dict[str, Any]]:
    """Return what the outputs of all jobs tell, in the order of the jobs."""
    found = bench.rows("SELECT artifact_sha256 FROM jobs ORDER BY id")
    return [told(artifacts.fetch(bench.engine, row["artifact_sha256"])) for row in found]


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
@pytest.mark.parametrize("is_first_bare", [False, True])
@pytest.mark.parametrize("make", [jpeg, tiff])
def test_an_output_with_metadata_serves_a_batch_without_and_the_other_way_round_for_one_call(
    make_bench: MakeBench, tmp_path: Path, make: Callable[..., bytes], is_first_bare: bool
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.photo").write_bytes(make(drawn(text="SALE")))
    source = tmp_path / "photos" / f"a.{'jpg' if make is jpeg else 'tif'}"
    (tmp_path / "photos" / "a.photo").rename(source)
    bench = make_bench()
    for is_bare in (is_first_bare, not is_first_bare, is_first_bare):
        bench.submit(tmp_path / "photos", BatchOptions(strip_metadata=is_bare, limit=5 + is_bare))
        bench.run_out()
    rows = bench.rows("SELECT state, message, reused_from FROM jobs ORDER BY id")
    assert [(row["state"], row["message"]) for row in rows] == [("succeeded", None)] * len(rows)
    assert bench.sandbox.stats()["accepted"] == 1
    full = told(source.read_bytes())
    assert full["gps"]
    assert outputs(bench)[:2] == [{} if is_bare else full for is_bare in (is_first_bare, not is_first_bare)]


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_a_photo_is_done_again_as_its_batch_wants_it(make_bench: MakeBench, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(jpeg(drawn(text="SALE")))
    bench = make_bench()
    bench.submit(tmp_path / "photos", BatchOptions(strip_metadata=True))
    bench.run_out()
    with bench.engine.begin() as connection:
        job_id = connection.execute(text("SELECT id FROM jobs")).scalar_one()
        redo.add(connection, job_id, mask="box 10,10,200,200", input_uri=None, item_key="again")
    with bench.engine.begin() as connection:
        queue.queue_due(connection, Lane.INTERACTIVE, 10)
        again = connection.execute(text("SELECT id FROM jobs WHERE redo_of = :id"), {"id": job_id}).scalar_one()
    assert bench.pipeline.run(again).state in {"succeeded", "held"}
    assert outputs(bench) == [{}, {}]


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_what_could_not_be_kept_is_told_with_the_job(make_bench: MakeBench, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    whole = jpeg(drawn(text="SALE"))
    (tmp_path / "photos" / "a.jpg").write_bytes(whole[:20] + segment(0xFE, bytes(65_000)) * 70 + whole[20:])
    bench = make_bench()
    bench.submit(tmp_path / "photos")
    bench.run_out()
    (row,) = bench.rows("SELECT state, message FROM jobs")
    assert row["state"] == "succeeded"
    assert "Not as in the source: metadata" in row["message"]


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
@pytest.mark.parametrize("is_held", [False, True])
def test_what_could_not_be_kept_is_told_whoever_takes_the_output_over(
    make_bench: MakeBench, tmp_path: Path, is_held: bool
) -> None:
    (tmp_path / "photos").mkdir()
    whole = jpeg(drawn(text="SALE"))
    (tmp_path / "photos" / "a.jpg").write_bytes(whole[:20] + segment(0xFE, bytes(65_000)) * 70 + whole[20:])
    bench = make_bench(hold_changed_above=0 if is_held else 1)
    for limit in (5, 6):
        bench.submit(tmp_path / "photos", BatchOptions(limit=limit))
        bench.run_out()
    if is_held:
        with bench.engine.begin() as connection:
            reviews.accept(connection, [1])
    rows = bench.rows("SELECT state, message FROM jobs")
    assert [row["state"] for row in rows] == ["succeeded"] * 2
    assert all(row["message"].startswith("Not as in the source: metadata") for row in rows)
    assert bench.sandbox.stats()["accepted"] == 1


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_an_output_that_was_bared_without_a_call_is_known_for_ours_when_it_comes_back(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    photos, back = tmp_path / "photos", tmp_path / "back"
    photos.mkdir()
    back.mkdir()
    (photos / "a.jpg").write_bytes(jpeg(drawn(text="SALE")))
    bench = make_bench()
    for is_bare in (False, True):
        bench.submit(photos, BatchOptions(strip_metadata=is_bare))
        bench.run_out()
    (row,) = bench.rows("SELECT artifact_sha256 FROM jobs ORDER BY id DESC LIMIT 1")
    (back / "clean.jpg").write_bytes(artifacts.fetch(bench.engine, row["artifact_sha256"]))
    bench.submit(back)
    assert [ending.code for ending in bench.run_out()] == ["reused"]
    assert bench.sandbox.stats()["accepted"] == 1


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
@pytest.mark.parametrize("is_first_bare", [False, True])
def test_what_waits_for_a_person_tells_what_its_own_batch_wants_told(
    make_bench: MakeBench, tmp_path: Path, is_first_bare: bool
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(jpeg(drawn(text="SALE")))
    bench = make_bench(hold_changed_above=0)
    for is_bare in (is_first_bare, not is_first_bare):
        bench.submit(tmp_path / "photos", BatchOptions(strip_metadata=is_bare))
        bench.run_out()
    first, second = bench.rows("SELECT id, state, code FROM jobs ORDER BY id")
    assert {first["state"], second["state"]} == {"held"}
    assert first["code"] == second["code"] == "changed_too_much"
    assert bench.sandbox.stats()["accepted"] == 1
    full = told((tmp_path / "photos" / "a.jpg").read_bytes())
    assert full["gps"]
    assert outputs(bench) == [{} if is_bare else full for is_bare in (is_first_bare, not is_first_bare)]
