"""Photos in an S3 bucket, below a prefix."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from core.buckets import bucket_errors, open_bucket_client
from core.errors import UsageError
from core.settings import Settings
from producer.catalogue.item import PHOTO_SUFFIXES, Item


def read_bucket(source: str, settings: Settings) -> Iterator[Item]:
    """Yield every photo below `s3://bucket/prefix`, in the order of its key; its ETag is part of what it is.

    Raises:
        UsageError: The source names no bucket, or it cannot be listed.
    """
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not bucket:
        raise UsageError(f"{source!r} names no bucket; it looks like s3://bucket/prefix.")
    client = open_bucket_client(settings)
    try:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                key = str(entry["Key"])
                if PurePosixPath(key).suffix.lower() in PHOTO_SUFFIXES:
                    name = key.removeprefix(prefix).lstrip("/") or PurePosixPath(key).name
                    yield Item(uri=f"s3://{bucket}/{key}", name=_safe(name), version=str(entry["ETag"]).strip('"'))
    except bucket_errors() as error:
        raise UsageError(f"The bucket {bucket} cannot be listed: {error}. Nothing was submitted.") from error


def _safe(name: str) -> str:
    """Return a key as a path below a folder, and never above it."""
    return "/".join(part for part in name.split("/") if part not in {"", ".", ".."}) or "photo"
