"""A port that is looked for stays free until its server begins."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from localstack import ports
from localstack.ports import free_port, listens, why_taken

NEEDS_RANGE = pytest.mark.skipif(
    not Path("/proc/sys/net/ipv4/ip_local_port_range").exists(), reason="the system does not say which ports it gives"
)


def test_a_server_begins_where_it_was_told_and_may_begin_again() -> None:
    port = free_port()
    assert why_taken("127.0.0.1", port) is None
    assert not listens("127.0.0.1", port)
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)):  # shares its port, as servers do
            assert listens("127.0.0.1", port)
            assert why_taken("127.0.0.1", port)


def test_nobody_is_given_a_port_twice() -> None:
    """Not even by another process, though no server has begun yet: two test runs at once, or two `up`."""
    here = {free_port() for _ in range(50)}
    script = "ports._ports = lambda: eval(sys.argv[1]); print(ports.free_port())"
    command = [sys.executable, "-c", f"import sys; from localstack import ports; {script}", repr(sorted(here))]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(here) == 50
    assert int(told.stdout) not in here


@NEEDS_RANGE
def test_the_system_gives_it_to_nobody_that_connects() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not any(low <= free_port() <= high for _ in range(50))


def test_one_of_the_systems_where_there_are_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_ports", list)
    assert why_taken("127.0.0.1", free_port()) is None
