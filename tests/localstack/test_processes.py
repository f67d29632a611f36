"""The supervisor: ready in order, restarted, stopped to the last process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import UnavailableError
from localstack import processes
from localstack.found import is_running
from localstack.processes import Child, Supervisor
from tests.localstack.conftest import wait_until

ROOT = str(Path(processes.__file__).parents[1])
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")])}

SLEEPER = """
import subprocess, sys, time
from pathlib import Path
from typing import Any
grandchild = subprocess.Popen(["sleep", "600"])
Path(sys.argv[1]).write_text(str(grandchild.pid))
time.sleep(600)
"""
PLAIN = """
import sys, time
from pathlib import Path
from typing import Any
from localstack.orphan import watch_parent
watch_parent()
Path(sys.argv[1]).write_text("ready")
time.sleep(600)
"""
STUBBORN = """
import signal, sys, time
from pathlib import Path
from typing import Any
from localstack.orphan import watch_parent
watch_parent()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(sys.argv[1]).write_text("ready")
time.sleep(600)
"""
NOTES_ITS_END = """
import signal, sys, time
from pathlib import Path
from typing import Any
def end(*_):
    with open(sys.argv[2], "a") as file:
        file.write(sys.argv[3])
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
Path(sys.argv[1]).write_text("ready")
time.sleep(600)
"""
OWNER = """
import sys, time
from pathlib import Path
from typing import Any
from localstack.processes import Child, Supervisor
folder, code, env = Path(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
supervisor = Supervisor()
note = folder / "note"
child = Child("c", [sys.executable, "-c", code, str(note)], env, folder / "c.log", note.exists, orphan_seconds=0.5)
print(supervisor.start(child), flush=True)
time.sleep(600)
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor()
    yield made
    made.stop(0.0)


def make(folder: Path, code: str, *words: str, name: str = "child", stage: int = 0) -> Child:
    note = folder / f"{name}.note"
    command = [sys.executable, "-c", code, str(note), *words]
    return Child(name, command, ENV, folder / "logs" / f"{name}.log", note.exists, stage=stage)


def test_it_stops_children_and_grandchildren(tmp_path: Path, supervisor: Supervisor) -> None:
    pid = supervisor.start(make(tmp_path, SLEEPER))
    wait_until(lambda: (tmp_path / "child.note").read_text() != "")
    grandchild = int((tmp_path / "child.note").read_text())
    assert supervisor.pids == [pid]
    assert os.getsid(pid) != os.getsid(0)
    supervisor.stop(5.0)
    assert not is_running(pid)
    wait_until(lambda: not is_running(grandchild))
    supervisor.stop(5.0)


def test_later_stages_stop_first(tmp_path: Path, supervisor: Supervisor) -> None:
    ends = tmp_path / "ends"
    for stage in (0, 1):
        supervisor.start(make(tmp_path, NOTES_ITS_END, str(ends), str(stage), name=f"s{stage}", stage=stage))
    supervisor.stop(10.0)
    assert ends.read_text() == "10"


@pytest.mark.parametrize("hurry", [lambda: True, lambda: False])
def test_a_stubborn_child_is_killed(tmp_path: Path, supervisor: Supervisor, hurry: Callable[[], bool]) -> None:
    pid = supervisor.start(make(tmp_path, STUBBORN))
    supervisor.stop(3600.0 if hurry() else 0.2, hurry=hurry)
    assert not is_running(pid)


def test_what_a_child_wrote_at_once_is_shown_too(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowStart(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.wait(10)

    monkeypatch.setattr("localstack.processes.subprocess.Popen", SlowStart)
    with pytest.raises(UnavailableError, match="the reason is this"):
        supervisor.start(make(tmp_path, "import sys; print('the reason is this', flush=True); sys.exit(3)"))


def test_one_that_does_not_get_ready_shows_its_log(tmp_path: Path, supervisor: Supervisor) -> None:
    with pytest.raises(UnavailableError, match=r"(?s)status 3.*the reason is this"):
        supervisor.start(make(tmp_path, "import sys; print('the reason is this', flush=True); sys.exit(3)"))
    with pytest.raises(UnavailableError, match="not ready after"):
        supervisor.start(make(tmp_path, "import time; time.sleep(600)", name="slow"), ready_seconds=0.2)
    supervisor.stop(0.0)
    assert supervisor.pids == []


def test_a_program_that_is_missing_is_an_error(tmp_path: Path, supervisor: Supervisor) -> None:
    with pytest.raises(UnavailableError, match="could not be started"):
        supervisor.start(Child("gone", [str(tmp_path / "gone")], ENV, tmp_path / "gone.log"))


def test_one_that_dies_is_started_again(tmp_path: Path, supervisor: Supervisor) -> None:
    first = supervisor.start(make(tmp_path, PLAIN))
    os.kill(first, signal.SIGKILL)

    def is_back() -> bool:
        supervisor.check()
        return supervisor.pids not in ([], [first])

    wait_until(is_back)


@pytest.mark.parametrize(("status", "deaths"), [(1, processes.QUICK_DEATHS), (processes.USAGE_STATUS, 1)])
def test_one_that_dies_again_and_again_is_given_up_loudly(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, status: int, deaths: int
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE_SECONDS", 0.01)
    # Not before it counts as started, which a busy machine may be slow to say.
    go = tmp_path / "go"
    code = (
        "import os, sys, time\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        f"print('no luck'); sys.exit({status})"
    )
    supervisor.start(Child("poor", [sys.executable, "-c", code], ENV, tmp_path / "poor.log"))
    go.touch()

    def is_alive() -> bool:
        supervisor.check()
        return False

    with pytest.raises(UnavailableError, match=rf"(?s)ended {deaths} times in a row.*no luck"):
        wait_until(is_alive)


@pytest.mark.parametrize("code", [PLAIN, STUBBORN])
def test_children_end_when_their_owner_is_killed(tmp_path: Path, code: str) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path), code, repr(ENV)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENV) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        assert is_running(child)
        owner.kill()
    wait_until(lambda: not is_running(child))


def test_secrets_do_not_show_in_the_command_line(tmp_path: Path, supervisor: Supervisor) -> None:
    child = make(tmp_path, PLAIN)
    pid = supervisor.start(Child(child.name, child.argv, {**ENV, "S": "hush-hush"}, child.log_path, child.ready))
    listing = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    assert "hush-hush" not in listing.stdout
    assert child.log_path.stat().st_mode & 0o077 == 0


def test_nobody_else_passes_for_a_child(tmp_path: Path, supervisor: Supervisor) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        child = Child("web", ["true"], ENV, tmp_path / "c.log", lambda: True, ("127.0.0.1", port, "WEB_PORT"))
        with pytest.raises(UnavailableError, match=rf"web process cannot listen at 127\.0\.0\.1:{port}.*set WEB_PORT"):
            supervisor.start(child)
    assert not child.log_path.exists()


def test_one_that_has_ended_is_not_ready_whoever_answers(tmp_path: Path, supervisor: Supervisor) -> None:
    note = tmp_path / "note"
    code = f"import os; os.rename({str(note)!r} + '.new', {str(note)!r})"
    Path(f"{note}.new").touch()

    def answers() -> bool:
        return note.exists() and supervisor.pids == []

    with pytest.raises(UnavailableError, match="ended with status 0"):
        supervisor.start(Child("c", [sys.executable, "-c", code], ENV, tmp_path / "c.log", answers))
