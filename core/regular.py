"""Reading files of others: nothing but files, and no more of them than was asked for."""

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, most: int) -> bytes:
    """Return a file's bytes.

    Args:
        path: Which; links are followed.
        most: The largest file that is read, bytes.

    Raises:
        OSError: It cannot be read, is too large (`EFBIG`), or is no file: a pipe would never end, nor would a device.
    """
    # Without blocking: opening a pipe waits for its other end.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file but a pipe, a device or a folder", str(path))
        data = file.read(most + 1) if found.st_size <= most else b""
        if max(len(data), found.st_size) > most:
            raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return data
