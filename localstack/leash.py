"""Holds one server while anyone uses it; run as a script, with the standard library alone.

The servers are not ours and cannot tell that their users died. This small process can: every user holds a shared lock
on one file, the kernel drops it when that user ends in whatever way, and once this process gets the lock alone nobody
is left, so it stops its server and ends.

Arguments: USERS_FILE KEEP_FD STEPS UID -- COMMAND…  KEEP_FD is inherited by the server, so a lock on it lives as long
as the server does. STEPS, such as `2:20,3:5`, are signals to send one after the other, each with the seconds to wait.
UID is the user the server runs as, or -1.
"""

import fcntl
import os
import pwd
import signal
import subprocess
import sys
import threading

stop = threading.Event()


def main(arguments: list[str]) -> int:
    """Run the server until nobody uses it or SIGTERM comes; return its exit status."""
    users, keep_fd, steps, uid, _, *command = arguments
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = _start(command, int(keep_fd), int(uid))
    threading.Thread(target=_wait_for_last_user, args=(users,), daemon=True).start()
    threading.Thread(target=_end, args=(server, steps), daemon=True).start()
    return server.wait()


def _start(command: list[str], keep_fd: int, uid: int) -> "subprocess.Popen[bytes]":
    if uid < 0:
        return subprocess.Popen(command, pass_fds=(keep_fd,), restore_signals=True)
    gid = pwd.getpwuid(uid).pw_gid
    return subprocess.Popen(command, pass_fds=(keep_fd,), user=uid, group=gid, extra_groups=[], umask=0o077)


def _wait_for_last_user(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    stop.set()


def _end(server: "subprocess.Popen[bytes]", steps: str) -> None:
    stop.wait()
    for step in steps.split(","):
        number, _, seconds = step.partition(":")
        server.send_signal(int(number))
        try:
            server.wait(float(seconds))
        except subprocess.TimeoutExpired:
            continue
        return
    server.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
