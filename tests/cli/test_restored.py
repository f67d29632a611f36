"""What people are told of a database that was restored from a backup, and what is kept for them."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine

from cli.running.findings import Finding, examine
from cli.running.restored import hold_restored
from core.errors import RedisDown, Refused
from core.settings import Settings
from db import processes, restores
from db.artifacts import artifact_key
from db.session import make_engine, transact
from db.store.folder import FileStore
from db.store.s3 import S3Store
from db.sweeping import upload
from exporting.stores import count_lost, sweep_all
from removal.limiter import Limiter
from removal.limiter.memos import memo_of
from tests.conftest import BUCKET
from tests.db.rows import ACCOUNT, make_batch, state_of
from tests.servers import Servers


def settings_of(servers: Servers, **more: object) -> Settings:
    told: dict[str, object] = {
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "removal_api_key": ACCOUNT,
        "removal_api_secret": "secret",
        "removal_api_url": "http://127.0.0.1:1/",
    }
    return Settings(_env_file=None, **(told | more))  # type: ignore[arg-type]


def call_for(servers: Servers, *job_ids: int) -> None:
    """Make calls as workers do, of which the database knows nothing, some seconds ago as it will seem."""
    with make_engine(servers.database_url, pooled=False).connect() as connection:
        home = restores.home(connection)
    with Redis.from_url(servers.redis_url) as client:
        limiter = Limiter(client, ACCOUNT, 100)
        for attempt_id, job_id in enumerate(job_ids, 101):
            limiter.wait_until_due(limiter.reserve(), cancelled=lambda: False, memo=memo_of(attempt_id, job_id, home))


def examined(settings: Settings) -> Finding | None:
    return next((found for found in examine(settings) if found.name == "restored"), None)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a call from the moment on in which it is remembered."""
    monkeypatch.setattr("removal.limiter.memos.SETTLED_SECONDS", -60.0)


@pytest.mark.usefixtures("settled")
def test_the_doctor_says_what_is_missing_and_then_what_was_held(engine: Engine, servers: Servers) -> None:
    first, second, third = make_batch(engine, 3)
    settings = settings_of(servers)
    assert examined(settings) is None
    call_for(servers, first, second, 999)
    missing = examined(settings)
    assert missing is not None
    assert not missing.is_good
    assert "does not know of 3 calls made since" in missing.text
    said = " ".join(hold_restored(engine, settings))
    assert "does not know of 3 calls" in said
    assert "2 photos are held (code `restored`)" in said
    assert "1 call was for photos that the backup does not know" in said
    assert [state_of(engine, each) for each in (first, second, third)] == ["held", "held", "pending"]
    told = examined(settings)
    assert told is not None
    assert not told.is_good
    assert "2 photos still need a decision" in told.text


def test_it_is_refused_while_workers_run(engine: Engine, servers: Servers) -> None:
    with engine.begin() as connection:
        processes.beat(connection, "w1", "worker")
    with pytest.raises(Refused, match="w1 showed up"):
        list(hold_restored(engine, settings_of(servers)))


def test_that_nothing_is_remembered_is_said(engine: Engine, servers: Servers) -> None:
    assert "Redis remembers no calls" in " ".join(hold_restored(engine, settings_of(servers)))
    with pytest.raises(RedisDown, match="Nothing was changed"):
        list(hold_restored(engine, settings_of(servers, redis_url="redis://127.0.0.1:1")))


def test_outputs_that_were_kept_since_the_backup_are_counted(engine: Engine, servers: Servers, tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for number, age in enumerate((timedelta(0), timedelta(days=2))):
        uri = store.upload(f"aa/{number}.png", b"x")
        then = (datetime.now(UTC) - age).timestamp()
        os.utime(uri.removeprefix("file://"), (then, then))
    said = " ".join(hold_restored(engine, settings_of(servers, artifact_store=tmp_path.as_uri())))
    assert "1 output in file:" in said
    assert "of no photo that the backup knows" in said


def test_a_sweep_leaves_what_was_kept_between_a_backup_and_its_restore(engine: Engine, s3_settings: Settings) -> None:
    bucket = S3Store(s3_settings, BUCKET, "restored")
    data = b"paid for, and unknown"
    key = artifact_key(hashlib.sha256(data).hexdigest(), "PNG")
    upload(partial(transact, engine), bucket, key, data)
    with engine.begin() as connection:
        found = restores.note(connection, [], price=s3_settings.removal_price, is_told=True)
    assert found is not None
    assert count_lost(engine, bucket, found) == 1
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert sweep_all(engine, bucket, before=tomorrow) == 0
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE restores SET noticed_at = noticed_at - interval '31 days'")
    assert sweep_all(engine, bucket, before=tomorrow) == 1
