"""Photos in buckets: listed by the producer, read by the worker."""

from typing import Any

import pytest

from core import buckets
from core.errors import SourceRefused, SourceUnreachable, UsageError
from core.settings import Settings
from photos import source as worker_source
from photos.fetch import Fetcher
from producer.catalogue import source as producer_source
from producer.catalogue.bucket import read_bucket
from producer.catalogue.source import identity, read_source, title
from tests.conftest import BUCKET


@pytest.fixture
def bucket(s3_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    for module in (producer_source, worker_source):
        monkeypatch.setattr(module, "process_settings", lambda: s3_settings)
    return buckets.open_bucket_client(s3_settings)


def read(uri: str, max_bytes: int | None = None) -> bytes:
    return worker_source.read_source(uri, Fetcher(1, 1), max_bytes=max_bytes, take=lambda _: None).data


def test_photos_below_a_prefix(bucket: Any) -> None:
    for key in ("shop/a b.jpg", "shop/deep/c+%20.PNG", "shop/notes.txt", "other/d.jpg", "shop/../e.jpg"):
        bucket.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    items = list(read_source(f"s3://{BUCKET}/shop"))
    assert [(item.uri, item.name) for item in items] == [
        (f"s3://{BUCKET}/shop/../e.jpg", "e.jpg"),
        (f"s3://{BUCKET}/shop/a b.jpg", "a b.jpg"),
        (f"s3://{BUCKET}/shop/deep/c+%20.PNG", "deep/c+%20.PNG"),
    ]
    assert [read(item.uri) for item in items] == [b"shop/../e.jpg", b"shop/a b.jpg", b"shop/deep/c+%20.PNG"]
    assert len({item.version for item in items}) == 3
    assert (identity(f"s3://{BUCKET}/shop"), title(f"s3://{BUCKET}/shop")) == (f"s3://{BUCKET}/shop",) * 2


def test_what_is_not_there_is_said(bucket: Any, s3_settings: Settings) -> None:
    with pytest.raises(UsageError, match="cannot be listed"):
        list(read_bucket("s3://no-such-bucket/x", s3_settings))
    with pytest.raises(UsageError, match="names no bucket"):
        list(read_bucket("s3:///x", s3_settings))
    with pytest.raises(SourceRefused, match="not there") as refused:
        read(f"s3://{BUCKET}/nothing.jpg")
    assert refused.value.code == "object_missing"
    bucket.put_object(Bucket=BUCKET, Key="large.jpg", Body=b"x" * 2000)
    with pytest.raises(SourceRefused, match="most that is read"):
        read(f"s3://{BUCKET}/large.jpg", max_bytes=1000)


def test_a_server_that_does_not_answer_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Settings(_env_file=None, s3_endpoint_url="http://127.0.0.1:1", s3_region="x", s3_access_key_id="k")
    monkeypatch.setattr(worker_source, "process_settings", lambda: told)
    monkeypatch.setattr(buckets, "TRIES", 1)
    with pytest.raises(SourceUnreachable):
        read("s3://bucket/a.jpg")
