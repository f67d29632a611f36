"""Bytes in a bucket, one object per content, there before the job's state commits."""

import mimetypes
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from core.buckets import bucket_errors, open_bucket_client
from core.errors import CleanplateError, UsageError
from core.settings import Settings
from db.store.stored import Stored

FOR_EVER = "public, max-age=31536000, immutable"


class S3Store:
    """A bucket, or a part of one.

    Args:
        settings: How it is reached.
        bucket: Its name.
        prefix: What keys begin with, without slashes at its ends.

    Raises:
        UsageError: The package that speaks to it is not installed.
    """

    def __init__(self, settings: Settings, bucket: str, prefix: str) -> None:
        self._client: Any = open_bucket_client(settings)
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def place_of(self, key: str) -> str:
        """Return a key's URI."""
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def upload(self, key: str, data: bytes) -> str:
        """Put the object; doing it again changes nothing.

        Raises:
            OSError: The bucket takes nothing at present.
        """
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + key,
                Body=data,
                ContentType=mimetypes.guess_type(key)[0] or "application/octet-stream",
                CacheControl=FOR_EVER,
            )
        except bucket_errors() as error:
            raise OSError(f"the bucket {self._bucket} takes nothing: {error}") from error
        return self.place_of(key)

    def check(self) -> None:
        """Raise CleanplateError when the bucket is not there, not ours, or does not answer."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except bucket_errors() as error:
            raise CleanplateError(f"the bucket {self._bucket} cannot be used: {error}") from error

    def load(self, uri: str) -> bytes:
        """Return an object's bytes.

        Raises:
            CleanplateError: It is gone, or the bucket does not answer.
        """
        try:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=_key_of(uri))["Body"].read())
        except bucket_errors() as error:
            raise CleanplateError(f"{uri} cannot be read: {error}") from error

    def holds(self, uri: str) -> bool:
        """Whether a URI is in this part of the bucket."""
        return uri.startswith(f"s3://{self._bucket}/{self._prefix}")

    def delete(self, uri: str) -> None:
        """Delete the object, if it is there.

        Raises:
            CleanplateError: The bucket does not answer.
        """
        try:
            self._client.delete_object(Bucket=self._bucket, Key=_key_of(uri))
        except bucket_errors() as error:
            raise CleanplateError(f"{uri} cannot be deleted: {error}") from error

    def list_all(self) -> Iterator[Stored]:
        """Yield every object in this part of the bucket.

        Raises:
            UsageError: There is no such bucket, or it may not be listed.
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        try:
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield Stored(f"s3://{self._bucket}/{entry['Key']}", entry["LastModified"])
        except bucket_errors() as error:
            raise UsageError(f"The bucket {self._bucket} cannot be listed: {error}") from error


def _key_of(uri: str) -> str:
    return unquote(urlsplit(uri).path[1:]) if "%" in uri else urlsplit(uri).path[1:]
