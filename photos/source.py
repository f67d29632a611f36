"""Getting at the bytes of a source: a file this machine can read, or a URL."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.buckets import bucket_errors, open_bucket_client
from core.errors import SourceRefused, SourceUnreachable, UsageError
from core.settings import process_settings
from photos.fetch import TOO_LARGE, Fetched, Fetcher
from removal.bounds import MAX_BYTES

MAX_SOURCE_BYTES = 100_000_000
"""The largest file that is read to be fitted; it stays in memory until its job ends."""

Take = Callable[[int], None]
"""Waits for room for so many bytes; see `photos.memory`."""


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a photo, the URL the API may fetch it from, if it is a public one, and what its server calls it."""

    data: bytes = field(repr=False)
    public_url: str | None
    name: str = ""


def read_source(uri: str, fetcher: Fetcher, *, max_bytes: int | None = None, take: Take) -> Source:
    """Return the photo behind a `file://`, `s3://`, `http://` or `https://` URI.

    Args:
        uri: Where it is.
        fetcher: Checks addresses and times.
        max_bytes: The largest file taken; unless given, what the API takes of a file, and the fetcher's own of a URL.
        take: Called with the size of a file before more than what the API takes is held in memory.

    Raises:
        SourceRefused: It can never be used (a forbidden address, too large).
        SourceUnreachable: It could not be read this time.
    """
    if uri.startswith("file://"):
        return Source(_read_file(Path(unquote(urlsplit(uri).path)), take, max_bytes), None)
    if uri.startswith("s3://"):
        return Source(_read_bucket(uri, take, max_bytes), None)
    fetched = _fetch(uri, fetcher, take, max_bytes)
    return Source(fetched.data, uri if fetched.is_public else None, fetched.name)


def _fetch(uri: str, fetcher: Fetcher, take: Take, max_bytes: int | None) -> Fetched:
    if max_bytes is None or max_bytes <= MAX_BYTES:
        return fetcher.get(uri, max_bytes=max_bytes)
    try:
        return fetcher.get(uri, max_bytes=MAX_BYTES)
    except SourceRefused as error:
        if error.code != TOO_LARGE:
            raise
    take(max_bytes)
    fetched = fetcher.get(uri, max_bytes=max_bytes)
    take(len(fetched.data))
    return fetched


def _read_bucket(uri: str, take: Take, max_bytes: int | None) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    most = max_bytes or MAX_BYTES
    try:
        client = open_bucket_client(process_settings())
        found = client.get_object(Bucket=bucket, Key=key)
        size = int(found["ContentLength"])
        if size > most:
            raise SourceRefused(
                "too_many_bytes", f"The object is over {most // 1_000_000} MB, the most that is read; make it smaller."
            )
        if size > MAX_BYTES:
            take(size)
        return bytes(found["Body"].read())
    except UsageError as error:
        raise SourceRefused("bucket_unusable", str(error)) from error
    except bucket_errors() as error:
        code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
        if code in {"NoSuchKey", "NoSuchBucket", "404"}:
            raise SourceRefused("object_missing", f"{uri} is not there.") from error
        raise SourceUnreachable("bucket_unreachable", f"{uri} cannot be read: {error}") from error


def _read_file(path: Path, take: Take, max_bytes: int | None) -> bytes:
    most = max_bytes or MAX_BYTES
    try:
        # Without blocking: a pipe that is called like a photo must not hold the worker.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise SourceRefused("not_an_image", f"{path.name} is no file but something else with a photo's name.")
            if MAX_BYTES < found.st_size <= most:
                take(found.st_size)
            data = file.read(most + 1) if found.st_size <= most else b""
    except FileNotFoundError as error:
        raise SourceRefused("file_missing", f"{path.name} is no longer where it was when it was submitted.") from error
    except OSError as error:
        raise SourceUnreachable("file_unreadable", f"{path.name} cannot be read: {error.strerror}") from error
    if max(len(data), found.st_size) > most:
        whose = "the API takes" if max_bytes is None else "that is read"
        raise SourceRefused(
            "too_many_bytes", f"The file is over {most // 1_000_000} MB, the most {whose}; make it smaller."
        )
    return data
