"""Where processes of this machine listen."""

import socket

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens at on loopback."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


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
