"""Where processes of this machine listen."""

import atexit
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the first, people give ports to programs of their own.
LOWEST, HIGHEST = 10_000, 65_535
_GIVEN_BY_SYSTEM = Path("/proc/sys/net/ipv4/ip_local_port_range")

_kept: dict[int, socket.socket] = {}


@atexit.register
def _let_go() -> None:
    for stands in _kept.values():
        stands.close()


def free_port() -> int:
    """Return a port of loopback that nobody has, and that stays free for a server until this process ends.

    A server takes seconds to begin to listen. Meanwhile the system may give a port of its own range to
    whatever connects anywhere, and another process may look for one as well: so it is none of that range
    where there are others, and a socket stands there that does not listen and may share its port, which is in
    no server's way (socket(7), SO_REUSEADDR).
    """
    ours = _ports()
    for port in (*random.sample(ours, len(ours)), 0):
        stands = socket.socket()
        try:
            stands.bind((LOOPBACK, port))
        except OSError:
            stands.close()
            continue
        # Only now: who shares would also be given what another process keeps.
        stands.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept = int(stands.getsockname()[1])
        _kept[kept] = stands
        return kept
    raise OSError(f"No port is free on {LOOPBACK}.")


def _ports() -> list[int]:
    """Return those that the system gives to nobody by itself, or none where it does not say."""
    try:
        low, high = map(int, _GIVEN_BY_SYSTEM.read_text(encoding="ascii").split())
    except OSError:
        return []
    return [*range(LOWEST, low), *range(max(LOWEST, high + 1), HIGHEST + 1)]


def why_taken(host: str, port: int) -> str | None:
    """Return why nobody could begin to listen there, in the system's words, or None when one could."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do, over connections that have ended and are remembered for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def listens(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    # The address for all of a machine's is none to connect to.
    reached = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    try:
        with socket.create_connection((reached, port), timeout=1.0):
            return True
    except OSError:
        return False
