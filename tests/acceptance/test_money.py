"""Budgets, canaries, held photos and outages, through the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox.server import SandboxServer
from tests.acceptance.conftest import Cleanplate
from tests.chaos.fleet import make_photos

ECHO_IS_HELD = {"HOLD_UNCHANGED_BELOW": "0.001"}


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "report.jsonl").read_text().splitlines()]


def test_a_budget_stops_the_run_and_a_higher_one_goes_on(
    cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 9)
    run = ("run", photos, "--out", "clean", "--json")
    first = cleanplate(*run, "--max-calls", "4")
    assert first.code == 8, first.err
    assert (first.json["succeeded"], first.json["pending"], first.json["calls"]) == (4, 5, 4)
    assert "cleanplate budget 1" in first.err
    assert len(list((tmp_path / "clean").glob("p*.jpg"))) == 4
    again = cleanplate(*run)
    assert (again.code, again.json["calls"]) == (8, 4)
    assert "budget: 4 of 4 calls" in cleanplate("status", "1").out
    status = cleanplate("status", "1", "--json").json
    assert (status["state"], status["pause_reason"], status["max_calls"]) == ("paused", "budget", 4)
    raised = cleanplate("budget", "1", "--max-calls", "6")
    assert (raised.code, "4 of 6 calls" in raised.out) == (0, True)
    third = cleanplate(*run)
    assert (third.code, third.json["calls"], third.json["succeeded"]) == (8, 6, 6)
    done = cleanplate(*run, "--max-calls", "100")
    assert (done.code, done.json["batch"], done.json["succeeded"]) == (0, 1, 9), done.err
    assert sandbox.stats()["accepted"] == 9


def test_a_cost_limit_counts_at_the_price(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 5)
    done = cleanplate("run", photos, "--out", "clean", "--json", "--max-cost", "0.5", REMOVAL_PRICE="0.2")
    # The sandbox is free; limits count there as they would.
    assert (done.code, done.json["calls"], done.json["cost"]) == (8, 2, 0.0), done.err
    assert "0.40 USD of 0.50 USD" in done.err
    assert "free (would be 0.40 USD)" in done.err
    ledger = cleanplate("costs", "1", "--json", REMOVAL_PRICE="0.2").json
    assert (ledger["calls"], ledger["paid"], ledger["cost"]) == (2, 2, 0.0)
    assert ledger["ledger"][0]["codes"] == {"200": 2}
    assert "2 × 200" in cleanplate("costs", "--days", "1").out


def test_a_daily_limit_is_said_and_waits_for_midnight(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 5)
    done = cleanplate("run", photos, "--out", "clean", "--json", REMOVAL_DAILY_CALLS="3")
    assert (done.code, done.json["calls"], done.json["pending"]) == (8, 3, 2), done.err
    assert "midnight UTC" in done.err
    assert "REMOVAL_DAILY_CALLS" in done.err


def test_a_bad_canary_keeps_the_rest_from_being_paid(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 12)
    run = ("run", photos, "--out", "clean", "--json", "--canary", "3")
    first = cleanplate(*run, **ECHO_IS_HELD)
    assert first.code == 1, first.err
    assert (first.json["held"], first.json["pending"], first.json["calls"]) == (3, 9, 3)
    assert "unchanged" in first.err
    assert "cleanplate resume 1" in first.err
    again = cleanplate(*run, **ECHO_IS_HELD)
    assert (again.code, again.json["calls"], "cleanplate cancel 1" in again.err) == (1, 3, True)
    status = cleanplate("status", "1", "--json").json
    assert status["canary"] == {
        "state": "failed",
        "total": 3,
        "succeeded": 0,
        "dead": 0,
        "held": 3,
        "overridden_by": None,
    }
    assert "is resumed" in cleanplate("resume", "1").out
    done = cleanplate(*run)
    assert (done.code, done.json["succeeded"], done.json["held"]) == (1, 9, 3), done.err


def test_a_good_canary_is_not_noticed(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 6)
    done = cleanplate("run", photos, "--out", "clean", "--json", "--canary", "2")
    assert (done.code, done.json["succeeded"]) == (0, 6), done.err
    assert cleanplate("status", "1", "--json").json["canary"]["state"] == "passed"


def test_held_photos_are_shown_and_settled(cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    run = ("run", photos, "--out", "clean", "--json")
    held = cleanplate(*run, **ECHO_IS_HELD)
    assert (held.code, held.json["held"], held.json["succeeded"]) == (1, 3, 0), held.err
    assert list((tmp_path / "clean").glob("p*.jpg")) == []
    page = (tmp_path / "clean" / "report.html").read_text()
    assert "cleanplate accept 1" in page
    assert page.count('-after.jpg" alt=') == 3
    assert "held: job 2" in cleanplate("status", "1").out

    accepted = cleanplate("accept", "1", "2", "99")
    assert accepted.code == 1
    assert "There is no job 99" in accepted.err
    assert accepted.out.count("accepted") == 2
    assert cleanplate("reject", "3").code == 0
    twice = cleanplate("accept", "1")
    assert (twice.code, "is succeeded, not held" in twice.err) == (1, True)
    assert cleanplate("export", "1", "--to", "there").code == 0
    assert sorted(path.name for path in (tmp_path / "there").glob("p*.jpg")) == ["p0000.jpg", "p0001.jpg"]
    assert [row["code"] for row in rows_of(tmp_path / "there")] == ["200", "200", "rejected"]

    again = cleanplate(*run)
    assert (again.json["reused"], again.json["dead"], again.json["calls"]) == (2, 1, 0)
    assert rows_of(tmp_path / "clean")[0]["reused_from"] == 1
    assert sandbox.stats()["accepted"] == 3


def test_an_outage_is_shown_and_waited_out(
    environment: dict[str, str], cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 20)
    sandbox.configure(faults={"801": 1.0})
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "cli.main", "run", str(photos), "--out", "clean", "--json"],
        env={**environment, "PYTHONPATH": os.getcwd(), "OUTAGE_PROBE_SECONDS": "0.5", "REMOVAL_RATE": "10"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        told = next(line for line in process.stderr if "provider down since" in line)
        circuit = cleanplate("status", "1", "--json").json["circuit"]
        sandbox.configure(faults={})
        out, err = process.communicate(timeout=120)
    assert "801" in told
    assert "next probe" in told
    assert (circuit["reason"], circuit["code"]) == ("outage", "801")
    assert circuit["next_probe"] > circuit["since"]
    assert process.returncode == 0, err
    assert (json.loads(out)["succeeded"], json.loads(out)["dead"]) == (20, 0)
    assert sandbox.stats()["received"] < 60


def test_a_batch_without_budget_is_told_at_once(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    assert cleanplate("run", photos, "--out", "clean", "--max-calls", "0").code == 8
    watched = cleanplate("watch", "1")
    assert (watched.code, "0 of 0 calls" in watched.err) == (8, True)
    assert cleanplate("resume", "1").code == 8
