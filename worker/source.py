"""Getting at the bytes of a source: a file this machine can read, or a URL."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import SourceRefused, SourceUnreachable
from removal.contract import MAX_BYTES
from worker.fetch import Fetcher


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a photo, and the URL the API may fetch it from, if it is a public one."""

    data: bytes
    public_url: str | None


def read_source(uri: str, fetcher: Fetcher) -> Source:
    """Return the photo behind a `file://`, `http://` or `https://` URI.

    Raises:
        SourceRefused: It can never be used (a forbidden address, larger than the API takes).
        SourceUnreachable: It could not be read this time.
    """
    if uri.startswith("file://"):
        return Source(_read_file(Path(unquote(urlsplit(uri).path))), None)
    fetched = fetcher.get(uri)
    return Source(fetched.data, uri if fetched.is_public else None)


def _read_file(path: Path) -> bytes:
    try:
        # Without blocking: a pipe that is called like a photo must not hold the worker.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SourceRefused("not_an_image", f"{path.name} is no file but something else with a photo's name.")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SourceRefused("file_missing", f"{path.name} is no longer where it was when it was submitted.") from error
    except OSError as error:
        raise SourceUnreachable("file_unreadable", f"{path.name} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise SourceRefused(
            "too_many_bytes", f"The file is over {MAX_BYTES // 1_000_000} MB, the most the API takes; make it smaller."
        )
    return data
