"""Who types, for the audit log."""

import getpass
import socket


def actor() -> str:
    """Return who types, as the audit log names them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "somebody"  # a container's user has no name
    return f"{name}@{socket.gethostname()} (command line)"
