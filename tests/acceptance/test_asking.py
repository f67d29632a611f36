"""On a terminal many paid calls are asked about first; elsewhere, and for few, nothing is asked."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from sandbox.server import SandboxServer
from tests.acceptance.conftest import RUN_SECONDS, Finished
from tests.chaos.fleet import make_photos


def run_on_terminal(environment: dict[str, str], folder: Path, answer: str, *arguments: str) -> Finished:
    """Run `cleanplate …` with a terminal as its stdin, on which `answer` is typed."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli.main", *arguments],
            env={**environment, "PYTHONPATH": os.getcwd()},
            cwd=folder,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Traceback" not in done.stderr
    return Finished(done.returncode, done.stdout, done.stderr)


def test_more_calls_than_allowed_are_asked_about(
    environment: dict[str, str], sandbox: SandboxServer, tmp_path: Path
) -> None:
    make_photos(tmp_path / "photos", 4)
    run = ("run", "photos", "--out", "clean", "--confirm-over", "3")
    priced = environment | {"REMOVAL_PRICE": "0.02"}
    refused = run_on_terminal(priced, tmp_path, "n\n", *run)
    assert "Submit photos? Up to 4 calls to the sandbox, free (would be 0.08 USD)." in refused.err
    assert "cleanplate: Nothing was submitted." in refused.err
    assert "interrupted" not in refused.err
    paid = run_on_terminal(priced | {"REMOVAL_API_KEY": "key"}, tmp_path, "n\n", *run)
    assert "Submit photos? Up to 4 paid calls, 0.08 USD." in paid.err
    assert (refused.code, sandbox.stats()["received"]) == (5, 0)
    within = run_on_terminal(priced, tmp_path, "n\n", *run, "--max-cost", "0.05")
    assert "The batch's budget allows 2 of these calls." in within.err
    agreed = run_on_terminal(priced, tmp_path, "y\n", *run)
    assert (agreed.code, sandbox.stats()["accepted"]) == (0, 4), agreed.err
    cleaned = run_on_terminal(priced, tmp_path, "n\n", *run)
    assert (cleaned.code, "Submit photos?" in cleaned.err) == (0, False), cleaned.err


def test_calls_to_the_sandbox_are_asked_about_too(environment: dict[str, str], tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", 2)
    free = {name: value for name, value in environment.items() if not name.startswith("REMOVAL_")}
    refused = run_on_terminal(free, tmp_path, "n\n", "run", "photos", "--out", "clean", "--confirm-over", "1")
    assert "Up to 2 calls to the sandbox, free." in refused.err


def test_few_calls_and_yes_are_not_asked_about(environment: dict[str, str], tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", 2)
    few = run_on_terminal(environment, tmp_path, "n\n", "submit", "photos")
    yes = run_on_terminal(environment, tmp_path, "n\n", "submit", "photos", "--confirm-over", "1", "--yes")
    assert (few.code, yes.code) == (0, 0)
    assert "Submit photos?" not in few.err + yes.err
