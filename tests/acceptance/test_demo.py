"""The demo as a new user meets it: it names what is there, and leaves nothing running."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.settings import Settings

pytestmark = pytest.mark.ocr

PHOTOS = 2
DEMO = f"import cli.commands.demo as demo; demo.PHOTOS = {PHOTOS}; from cli.main import main; main()"
CALLS = "2 calls, 0 retries, 0 throttled, "
STATIONS = (
    "Drawing a sample catalogue",
    "Console (this link signs you in once): ",
    "Batch 1: ",
    "2 of 2 photos are clean.",
    CALLS,
    "Photos: ",
    "Report: ",
    "The console stays open until Ctrl-C.",
)
THROTTLED = re.compile(r"^(\d+) calls, 0 retries, (\d+) throttled, ")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that root's PostgreSQL may pass, too."""
    made = Path(tempfile.mkdtemp(prefix="cleanplate-demo-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def start(folder: Path, how: str) -> "subprocess.Popen[str]":
    """Start the demo in a folder."""
    ours = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "REMOVAL_API_KEY": "paid", "REMOVAL_PRICE": "1"}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", DEMO, "demo", "--to", str(folder), how],
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def still_running(folder: Path) -> list[str]:
    """Return what runs that belongs to a folder."""
    listed = subprocess.run(["ps", "-axwwe", "-o", "args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


def stations(lines: list[str]) -> list[str]:
    """Return which of the known lines came, in their order; how far it was is left out."""
    told = (THROTTLED.sub(without_throttled, line) for line in lines if not re.match(r"\d+/\d+ · ", line))
    return [next((each for each in STATIONS if line.startswith(each)), line) for line in told]


def without_throttled(found: re.Match[str]) -> str:
    """Return what would be told had this machine held up no call, so that none was refused and made again."""
    return f"{int(found[1]) - int(found[2])} calls, 0 retries, 0 throttled, "


def test_it_names_what_is_there_and_leaves_nothing_running(folder: Path) -> None:
    with start(folder, "--no-stay") as process:
        told = process.communicate()[1]
    assert process.returncode == 0, told
    # Nobody serves a console when nobody stays to look at it.
    assert stations(told.splitlines()) == [each for each in STATIONS if "onsole" not in each]
    assert "://" not in told
    named = re.findall(r"^(?:Photos|Report): (.+)$", told, re.MULTILINE)
    assert [Path(each).exists() for each in named] == [True, True]
    assert len(list((folder / "clean").glob("*.jpg"))) == PHOTOS
    assert still_running(folder) == []


def test_the_console_it_links_to_is_served_until_ctrl_c(folder: Path) -> None:
    with start(folder, "--stay") as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith(STATIONS[-1]):
                break
        assert stations("".join(lines).splitlines()) == list(STATIONS)
        link = "".join(lines).partition(STATIONS[1])[2].split()[0]
        assert "Sign in" in httpx.get(link, headers={"accept": "text/html"}).raise_for_status().text
        process.send_signal(signal.SIGINT)
        rest = process.communicate()[1]
    assert process.returncode == 0, rest
    assert still_running(folder) == []
