"""How each peer is told what to do: `python -m bench.peers.NAME send < URLS`, or `… work PROCESSES IN_FLIGHT`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable


def obey(send: Callable[[list[str]], None], work: Callable[[int, int], None]) -> None:
    """Hand in photos, or clean them until SIGTERM.

    Args:
        send: Hands in photos by their URLs.
        work: Cleans them with so many processes, each with so many in flight.
    """
    if sys.argv[1] == "send":
        send(sys.stdin.read().split())
    else:
        work(int(sys.argv[2]), int(sys.argv[3]))


def become(argv: list[str]) -> None:
    """Go on as a module of this Python with its arguments."""
    os.execv(sys.executable, [sys.executable, "-m", *argv])


def run_all(commands: list[list[str]]) -> None:
    """Run several modules of this Python until all end; SIGTERM is passed on."""
    processes = [subprocess.Popen([sys.executable, "-m", *argv]) for argv in commands]

    def pass_on(*_: object) -> None:
        for process in processes:
            process.terminate()

    signal.signal(signal.SIGTERM, pass_on)
    for process in processes:
        process.wait()
