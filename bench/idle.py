"""What `cleanplate up` takes with nothing to do, process by process: `python -m bench.idle [--seconds 120]`.

Prints one JSON object: shares of a core, of all threads and of all processes below each, once it has come to rest.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import usage
from bench.figures import Figures, tell
from bench.ground import start_process
from bench.usage import PROC
from localstack.place import remove_place

SETTLING_SECONDS = 30.0
PATIENCE_SECONDS = 120.0
SERVERS = ("postgres", "valkey")


def main() -> None:
    """Measure and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    tell(measure(parser.parse_args().seconds))


def measure(seconds: float) -> Iterator[tuple[str, Figures]]:
    """Yield what each process took, and all together.

    Args:
        seconds: For so long.
    """
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        process = _start(Path(name), home)
        try:
            time.sleep(SETTLING_SECONDS)
            groups = _groups(process.pid)
            began = time.monotonic()
            before = {name: usage.of_processes(pids) for name, pids in groups.items()}
            time.sleep(seconds)
            took = {name: usage.of_processes(pids) - before[name] for name, pids in groups.items()}
            passed = time.monotonic() - began
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)
            remove_place(home)
    shares = {name: round(each.seconds / passed, 4) for name, each in took.items()}
    yield (
        "idle stack",
        {
            "core_share": round(sum(each.seconds for each in took.values()) / passed, 4),
            **shares,
            "switches_per_second": {name: round(each.switches / passed, 1) for name, each in took.items()},
        },
    )


def _start(folder: Path, home: Path) -> "subprocess.Popen[bytes]":
    log = folder / "up.log"
    ports = {name: str(_free_port()) for name in ("WEB_PORT", "FLOWER_PORT")}
    environment = {**os.environ, **ports, "CLEANPLATE_HOME": str(home)}
    process = start_process([sys.executable, "-P", "-m", "cli.main", "up"], environment, log)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while b"Flower:" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it did not start: {log.read_text()}")
        time.sleep(0.1)
    return process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _groups(root: int) -> dict[str, list[int]]:
    """Return the ids of processes by what they are; `up` itself is what no other is."""
    found: dict[str, list[int]] = {"up": [root]}
    for pid in usage.tree(root)[1:]:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode().split("\0")
        parent = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        if parent == root:
            server = next((name for name in SERVERS if any(word.endswith(f"{name}.users") for word in words)), None)
            found[server or words[words.index("cli.main") + 1]] = usage.tree(pid)
    return found


if __name__ == "__main__":
    main()
