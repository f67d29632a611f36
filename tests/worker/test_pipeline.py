"""Jobs through the pipeline: every row of the error table over HTTP, and what is kept of it."""

import io
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text

from core.errors import SourceRefused, SourceUnreachable
from core.settings import OnMaybeBilled
from db import artifacts, batches, circuits, failures, requeues, uploads
from db.store.postgres import PostgresStore
from photos.fetch import Fetcher
from producer.intake import BatchOptions
from tests.db.rows import HOLD, put, rescue
from tests.worker.conftest import MakeBench
from worker import paid_output, prepare


@dataclass
class Row:
    """One row of the error table."""

    fault: str
    answer_class: str
    code: str
    state: str
    calls: int
    attempts: int
    spend: str = "none"


OUTPUT_FIELD = "imageUrl"
MAX_ATTEMPTS = 4
"""Five faults in a row, and nothing else, would be an outage, which spends no attempts."""

TABLE = [
    Row("801", "provider_fault", "801", "dead", 4, 4),
    Row("900", "provider_fault", "900", "dead", 4, 4),
    Row("1001", "provider_fault", "1001", "dead", 4, 4),
    Row("1002", "provider_fault", "1002", "dead", 3, 3),
    Row("http500", "provider_fault", "http_500", "dead", 4, 4),
    Row("http503", "provider_fault", "http_503", "dead", 4, 4),
    Row("700", "permanent", "700", "dead", 1, 1),
    Row("703", "permanent", "703", "dead", 1, 1),
    Row("704", "permanent", "704", "dead", 1, 1),
    Row("705", "permanent", "705", "dead", 1, 1),
    Row("1000", "permanent", "1000", "dead", 1, 1),
    Row("701", "source", "701", "dead", 4, 4),
    Row("702", "source", "702", "dead", 2, 2),
    Row("html", "unknown", "not_json", "dead", 4, 4),
    Row("truncated", "unknown", "truncated_json", "dead", 4, 4, "maybe"),
    Row("999", "unknown", "999", "dead", 4, 4),
    Row("missing_output", "unknown", "no_output_url", "dead", 4, 4, "maybe"),
    Row("drop", "maybe_billed", "connection_lost", "dead", 4, 4, "maybe"),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.fault)
def test_an_answer_that_stays(make_bench: MakeBench, photo: Path, row: Row) -> None:
    bench = make_bench(max_attempts=MAX_ATTEMPTS)
    bench.sandbox.configure(faults={row.fault: 1.0})
    bench.submit(photo)
    bench.run_out()
    job, attempts = bench.job(), bench.attempts()
    assert (job["state"], job["code"], job["attempts"]) == (row.state, row.code, row.attempts)
    assert job["message"]
    assert len(attempts) == row.calls == bench.sandbox.stats()["accepted"]
    assert {attempt["answer_class"] for attempt in attempts} == {row.answer_class}
    assert {attempt["spend"] for attempt in attempts} == {row.spend}


@pytest.mark.parametrize("fault", ["801", "900", "1001", "1002", "http503", "701", "702", "html", "truncated", "drop"])
def test_an_answer_that_passes(make_bench: MakeBench, photo: Path, fault: str) -> None:
    bench = make_bench()
    bench.sandbox.configure(next=f"{fault},ok")
    bench.submit(photo)
    bench.run_out()
    assert bench.job()["state"] == "succeeded"
    assert len(bench.attempts()) == 2


def test_success_is_kept_whole(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    [attempt] = bench.attempts()
    job = bench.job()
    assert attempt["spend"] == "paid"
    assert attempt["request_id"]
    assert attempt["http_status"] == 200
    assert attempt["sent_at"] <= attempt["answered_at"]
    assert attempt["bytes_sent"] > (photo / "a.jpg").stat().st_size
    assert None not in (attempt["latency_seconds"], attempt["permit_wait_seconds"], attempt["worker"])
    artifact = artifacts.fetch(bench.engine, job["artifact_sha256"])
    with Image.open(io.BytesIO(artifact)) as image:
        assert (image.format, image.size) == ("JPEG", (600, 520))
    assert job["changed_ratio"] == pytest.approx(1 / 16, rel=0.1)
    assert (job["changed_inside"], job["changed_outside"]) == (None, None)


@pytest.mark.parametrize("style", ["rescode", "http429", "gateway"])
def test_a_throttle_is_a_snooze(make_bench: MakeBench, photo: Path, style: str) -> None:
    bench = make_bench()
    bench.sandbox.configure(throttle_style=style, rate=0.01, ban_seconds=1)
    bench.sandbox.service.quota.take(time.monotonic())
    bench.submit(photo)
    [first] = bench.run_due()
    bench.sandbox.configure(rate=1000)
    assert first.state == "pending"
    job, [attempt] = bench.job(), bench.attempts()
    assert (job["attempts"], job["snoozes"]) == (0, 1)
    assert (attempt["answer_class"], attempt["counted"], attempt["spend"]) == ("throttled", False, "none")
    bench.run_out()
    assert bench.job()["state"] == "succeeded"


def test_a_read_timeout_is_maybe_billed_and_retried(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench(read_timeout=0.5)
    bench.sandbox.configure(next="timeout,ok")
    bench.submit(photo)
    bench.run_due()
    make_bench().run_out()
    job, attempts = bench.job(), bench.attempts()
    assert (job["state"], job["attempts"]) == ("succeeded", 2)
    assert [attempt["spend"] for attempt in attempts] == ["maybe", "paid"]
    assert attempts[0]["code"] == "read_timeout"


def test_a_read_timeout_can_be_held(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench(on_maybe_billed=OnMaybeBilled.HOLD, read_timeout=0.5)
    bench.sandbox.configure(next="timeout")
    bench.submit(photo)
    assert [ending.state for ending in bench.run_out()] == ["held"]
    assert len(bench.attempts()) == 1


def test_a_refused_account_opens_the_circuit_and_spends_nothing(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench(secret="wrong")
    bench.submit(photo)
    [ending] = bench.run_due()
    assert ending.state == "pending"
    with bench.engine.connect() as connection:
        found = circuits.find_open(connection, "test")
    assert found is not None
    assert (found.reason, found.code) == ("account", "IncompleteSignature")
    assert bench.job()["attempts"] == 0
    [again] = bench.run_due()
    assert again.state == "pending"
    assert len(bench.attempts()) == 1, "with the circuit open nothing is called"


def test_an_exhausted_quota_opens_the_circuit(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.sandbox.configure(next="NoResource")
    bench.submit(photo)
    bench.run_due()
    with bench.engine.connect() as connection:
        found = circuits.find_open(connection, "test")
    assert found is not None
    assert found.code == "NoResource"


@pytest.mark.parametrize("fault", ["700", "801"])
def test_any_answer_of_the_api_itself_closes_the_circuit(make_bench: MakeBench, photo: Path, fault: str) -> None:
    bench = make_bench()
    bench.sandbox.configure(next=fault)
    bench.submit(photo)
    with bench.engine.begin() as connection:
        circuits.trip(connection, "test", reason="account", code="NoResource", message="no")
        connection.execute(text("UPDATE circuits SET probe_job_id = (SELECT min(id) FROM jobs)"))
    bench.run_due()
    with bench.engine.connect() as connection:
        assert circuits.find_open(connection, "test") is None


def test_a_probe_that_is_no_photo_makes_room_for_the_next(make_bench: MakeBench, photo: Path) -> None:
    (photo / "a.jpg").write_text("no photo")
    bench = make_bench()
    bench.submit(photo)
    with bench.engine.begin() as connection:
        circuits.trip(connection, "test", reason="account", code="NoResource", message="no")
    with bench.engine.begin() as connection:
        probe = circuits.queue_probe(connection, "test")
    assert probe is not None
    assert bench.pipeline.run(probe[0]).state == "dead"
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE circuits SET next_probe_at = next_probe_at - interval '1 s'"))
        found = circuits.find_open(connection, "test")
    assert found is not None
    assert found.probe_due


def test_a_success_closes_the_circuit(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    with bench.engine.begin() as connection:
        circuits.trip(connection, "test", reason="account", code="NoResource", message="no")
        connection.execute(text("UPDATE circuits SET probe_job_id = (SELECT min(id) FROM jobs)"))
    bench.run_out()
    with bench.engine.connect() as connection:
        assert circuits.find_open(connection, "test") is None


@pytest.mark.parametrize(
    ("fault", "code"),
    [("output_html", "output_not_image"), ("output_small", "output_size"), ("output_404", "output_http_404")],
)
def test_an_output_that_is_none_is_a_fault_of_the_provider(
    make_bench: MakeBench, photo: Path, fault: str, code: str
) -> None:
    bench = make_bench()
    bench.sandbox.configure(faults={fault: 1.0})
    bench.submit(photo)
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", code)
    assert [(row["spend"], row["code"]) for row in bench.attempts()] == [("paid", "200"), ("none", code)] * 2
    assert [OUTPUT_FIELD in (row["raw"] or "") for row in bench.attempts()] == [True, False] * 2


def test_an_output_that_may_not_be_fetched_is_paid_for_once_and_collected_later(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)

    def fail(*_: object, **__: object) -> object:
        raise SourceRefused("private_address", "127.0.0.1 is a private address.")

    with monkeypatch.context() as patch:
        patch.setattr(Fetcher, "get", fail)
        [ending] = bench.run_out()
    assert (ending.state, ending.code) == ("dead", "output_private_address")
    assert "retry it" in ending.message
    with bench.engine.begin() as connection:
        requeues.requeue(connection, 1, None)
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert bench.sandbox.stats()["accepted"] == 1


def test_an_uploaded_photo(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    with bench.engine.begin() as connection:
        uri = uploads.keep(connection, (photo / "a.jpg").read_bytes())
        connection.execute(text("UPDATE jobs SET source_uri = :uri"), {"uri": uri})
    (photo / "a.jpg").unlink()
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]


def test_an_upload_that_is_gone_is_said(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET source_uri = 'upload:0'"))
    assert [(ending.state, ending.code) for ending in bench.run_out()] == [("dead", "upload_missing")]


def test_the_raw_answer_of_a_plain_success_is_not_kept(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    bench.run_out()
    assert [row["raw"] for row in bench.attempts()] == [None]


def test_a_call_that_could_not_connect_is_no_call(make_bench: MakeBench, photo: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        bench = make_bench(max_attempts=2, api_port=silent.getsockname()[1])
        bench.submit(photo, BatchOptions(max_calls=1))
        assert [ending.code for ending in bench.run_out()] == ["connect_error"] * 2
    assert [(row["code"], row["sent_at"], row["spend"]) for row in bench.attempts()] == [
        ("connect_error", None, "none")
    ] * 2
    assert bench.rows("SELECT state, calls_made, cost_reserved FROM batches") == [
        {"state": "active", "calls_made": 0, "cost_reserved": 0}
    ]


def test_a_paid_output_is_fetched_again_not_called_again(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)

    def fail(*_: object, **__: object) -> object:
        raise SourceUnreachable("fetch_timeout", "did not arrive in time")

    with monkeypatch.context() as patch:
        patch.setattr(paid_output, "collect", fail)
        [ending] = bench.run_due()
    assert (ending.state, ending.code) == ("pending", "output_fetch_timeout")
    assert bench.job()["output_url"]
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert bench.sandbox.stats()["accepted"] == 1


def test_a_worker_that_dies_after_the_answer_does_not_pay_again(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)

    def die(*_: object, **__: object) -> object:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(paid_output, "collect", die)
        with pytest.raises(SystemExit):
            bench.run_due()
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_expires_at = now() - interval '1 second'"))
        assert [each.state for each in rescue(connection, HOLD)] == ["pending"]
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert bench.sandbox.stats()["accepted"] == 1


def test_a_full_store_does_not_pay_again(make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make_bench()
    bench.submit(photo)

    def refuse(*_: object) -> str:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PostgresStore, "upload", refuse)
        endings = [ending for _ in range(3) for ending in bench.run_due()]
    assert [(ending.state, ending.code) for ending in endings] == [("pending", "snoozed")] * 3
    with bench.engine.connect() as connection:
        [(code, count, message)] = failures.count_waiting_by_code(connection, 1, 3)
    assert (code, count) == ("store_unavailable", 1)
    assert "No space left" in message
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert bench.sandbox.stats()["accepted"] == 1


def test_an_unreadable_source_does_not_lose_a_paid_output(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.submit(photo)

    def fail(*_: object, **__: object) -> object:
        raise SourceUnreachable("fetch_timeout", "did not arrive in time")

    for module, broken in ((paid_output, "collect"), (prepare, "read_source"), (prepare, "read_source")):
        with monkeypatch.context() as patch:
            patch.setattr(module, broken, fail)
            bench.run_due()
    assert bench.job()["state"] == "dead"
    with bench.engine.begin() as connection:
        requeues.requeue(connection, 1, None)
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert bench.sandbox.stats()["accepted"] == 1


def test_a_dead_link_to_a_paid_output_ends_in_a_new_call(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET output_url = :url"), {"url": f"{bench.sandbox.url}/nothing"})
    assert [ending.code for ending in bench.run_out()] == ["output_http_404", "200"]


def test_the_same_photo_is_paid_once(make_bench: MakeBench, photo: Path) -> None:
    (photo / "b.jpg").write_bytes((photo / "a.jpg").read_bytes())
    bench = make_bench()
    bench.submit(photo)
    bench.run_out()
    rows = bench.rows("SELECT id, state, reused_from FROM jobs ORDER BY id")
    assert [row["state"] for row in rows] == ["succeeded", "succeeded"]
    assert rows[1]["reused_from"] == rows[0]["id"]
    assert bench.sandbox.stats()["accepted"] == 1


def test_the_same_photo_at_the_same_time_is_paid_once(make_bench: MakeBench, photo: Path) -> None:
    for name in "bcdef":
        (photo / f"{name}.jpg").write_bytes((photo / "a.jpg").read_bytes())
    bench = make_bench()
    bench.sandbox.configure(latency=0.3)
    bench.submit(photo)
    ids = [row["id"] for row in bench.rows("SELECT id FROM jobs")]
    with bench.engine.begin() as connection:
        put(connection, "queued")
    threads = [threading.Thread(target=bench.pipeline.run, args=(job_id,)) for job_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bench.run_out()
    assert [row["state"] for row in bench.rows("SELECT state FROM jobs")] == ["succeeded"] * 6
    assert bench.sandbox.stats()["accepted"] == 1


def test_what_the_sandbox_made_is_not_passed_off_as_the_real_thing(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    bench.run_out()
    paid = make_bench(provider="vendor.example")
    paid.submit(photo)
    paid.run_out()
    assert [row["reused_from"] for row in bench.rows("SELECT reused_from FROM jobs")] == [None, None]


def test_other_options_are_another_call(make_bench: MakeBench, photo: Path) -> None:

    bench = make_bench()
    bench.submit(photo)
    bench.submit(photo, BatchOptions(elements=(1,), subject_elements=(1,)))
    bench.run_out()
    assert bench.sandbox.stats()["accepted"] == 2


def test_what_the_api_refused_for_good_is_not_asked_again_but_by_a_person(make_bench: MakeBench, photo: Path) -> None:
    (photo / "b.jpg").write_bytes((photo / "a.jpg").read_bytes())
    bench = make_bench()
    bench.sandbox.configure(next="1000")
    bench.submit(photo)
    bench.run_out()
    assert [row["code"] for row in bench.rows("SELECT code FROM jobs")] == ["1000", "1000"]
    assert bench.sandbox.stats()["accepted"] == 1
    with bench.engine.begin() as connection:
        requeues.requeue(connection, 1, None)
    bench.run_out()
    assert [row["state"] for row in bench.rows("SELECT state FROM jobs")] == ["succeeded", "succeeded"]
    assert bench.sandbox.stats()["accepted"] == 2


def test_a_pipe_called_like_a_photo_does_not_hold_the_worker(make_bench: MakeBench, photo: Path) -> None:
    os.mkfifo(photo / "b.jpg")
    (photo / "c.jpg").symlink_to(photo / "nowhere.jpg")
    bench = make_bench()
    bench.submit(photo)
    bench.run_out()
    codes = bench.rows("SELECT name, code FROM jobs ORDER BY name")
    assert [row["code"] for row in codes] == ["200", "not_an_image", "file_missing"]


def test_a_stopping_worker_calls_nothing_more(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    bench.stopping.set()
    [ending] = bench.run_due()
    # Its message is used up, so that only its row can bring it back.
    assert (ending.state, bench.job()["state"], bench.job()["snoozes"]) == ("pending", "pending", 1)
    assert bench.sandbox.stats()["received"] == 0


def test_a_paused_batch_is_not_called_even_after_the_claim(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench()
    bench.submit(photo)
    original = bench.pipeline._preparer.take_in

    def pause_meanwhile(*given: Any) -> object:
        taken = original(*given)
        with bench.engine.begin() as connection:
            batches.pause(connection, 1, "hand")
        return taken

    bench.pipeline._preparer.take_in = pause_meanwhile  # type: ignore[method-assign,assignment]
    [ending] = bench.run_due()
    assert ending.state == "pending"
    assert bench.sandbox.stats()["received"] == 0
    assert bench.attempts() == []


def test_an_error_nobody_foresaw_is_a_counted_attempt(make_bench: MakeBench, photo: Path) -> None:
    bench = make_bench(max_attempts=2)
    bench.submit(photo)

    def break_down(*_: object) -> object:
        raise RuntimeError("surprise")

    bench.pipeline._preparer.take_in = break_down  # type: ignore[method-assign,assignment]
    bench.run_out()
    job = bench.job()
    assert (job["state"], job["code"], job["attempts"]) == ("dead", "internal_error", 2)


def test_no_call_is_signed_with_a_wrong_clock_of_this_machine(
    make_bench: MakeBench, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom the API does not believe closes the account for the whole fleet."""
    ahead = SimpleNamespace(time=lambda: time.time() + 3600, monotonic=time.monotonic)
    monkeypatch.setattr("removal.client.time", ahead)
    bench = make_bench()
    bench.submit(photo)
    assert [ending.code for ending in bench.run_out()] == ["200"]
