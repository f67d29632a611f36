"""What is configured, what answers, and what would be called: what `cleanplate doctor` finds."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from sqlalchemy import Engine

from actions.status import find_standing
from cli.database import existing_database
from cli.running.checks import ping_redis, tells_failovers
from cli.running.circuit import describe_circuit
from cli.running.probe import probe_api
from cli.running.restored import find_restored
from core.errors import CleanplateError
from core.figures import count, counted, size
from core.money import price_of
from core.net.addresses import AllowList
from core.settings import Settings
from db import budgets, circuits
from db.migrate import is_current
from db.session import make_engine, refuse_reader, transact
from db.store import open_store
from removal.provider import Account, find_provider


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's answer."""

    name: str
    is_good: bool
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what was found, in the order a photo takes; secrets are never in it."""
    yield _check("database", lambda: _database(settings))
    yield _check("redis", lambda: _redis(settings))
    yield _check("api", lambda: _api(settings))
    yield _check("account", lambda: _account(settings))
    yield _check("budget", lambda: _budget(settings))
    yield _check("outputs", lambda: _store(settings))
    yield from _standing(settings)
    yield from _restored(settings)
    yield _check("home", lambda: _home(settings.cleanplate_home))
    yield Finding(
        "workers",
        True,
        f"`run` and `up` start {settings.worker_processes} × {settings.worker_concurrency} calls in flight",
    )


def _standing(settings: Settings) -> Iterator[Finding]:
    try:
        # A configured database is looked at as it is: who brings its schema up to date is asked above.
        with _configured(settings) if settings.database_url else existing_database(settings) as engine:
            if engine is None:
                return
            found = transact(engine, lambda connection: find_standing(connection, settings))
    except CleanplateError as error:
        yield Finding("now", False, str(error))
        return
    yield Finding("now", not found.needs_somebody, str(found))


def _restored(settings: Settings) -> Iterator[Finding]:
    if not settings.database_url:
        return
    with suppress(CleanplateError), _configured(settings) as engine:
        found = None if engine is None else find_restored(engine, settings)
        if found is not None:
            yield Finding("restored", *found)


@contextmanager
def _configured(settings: Settings) -> Iterator[Engine | None]:
    engine = make_engine(settings.database_url, pooled=False)
    yield engine if is_current(engine) else None


def _check(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except CleanplateError as error:
        return Finding(name, False, str(error))


def _database(settings: Settings) -> str:
    if not settings.database_url:
        return "embedded PostgreSQL, started when needed (DATABASE_URL is not set)"
    engine = make_engine(settings.database_url, pooled=False)
    if not is_current(engine):
        raise CleanplateError("answers, but its schema is not the newest: run `cleanplate db upgrade`")
    transact(engine, refuse_reader)
    return f"PostgreSQL answers at {_where(settings.database_url)}, schema is current"


def _redis(settings: Settings) -> str:
    if not settings.redis_url:
        return "embedded Valkey, started when needed (REDIS_URL is not set)"
    ping_redis(settings.redis_url)
    answers = f"Redis answers at {_where(settings.redis_url)}"
    if tells_failovers(settings.redis_url):
        return answers
    return f"{answers}, but refuses INFO: the limiter cannot notice a failover (grant +info, see docs/servers.md)"


def _api(settings: Settings) -> str:
    # Tells of a provider that is not there, or of its package that is not.
    account = Account(settings.account, settings.api_secret, settings.removal_trial)
    provider = find_provider(settings.removal_provider)(httpx.URL("http://localhost/"), account)
    if settings.uses_sandbox:
        extra = "erases for real" if find_spec("rapidocr") and find_spec("cv2") else "echoes only (no sandbox extra)"
        return f"the sandbox on this machine, {extra}; no paid calls (REMOVAL_API_KEY is not set)"
    if not settings.api_secret:
        raise CleanplateError("REMOVAL_API_KEY is set but REMOVAL_API_SECRET is not: calls would be refused")
    parts = urlsplit(settings.api_url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise CleanplateError("REMOVAL_API_URL has no usable port") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CleanplateError("REMOVAL_API_URL is not an http(s) URL")
    probe_api(settings.api_url, parts.hostname, port)
    quota = "calls to the sandbox, which are free" if settings.is_free else "paid calls"
    quota = "trial quota" if settings.removal_trial and not settings.is_free else quota
    sent = "" if provider.takes_bytes else ", photos by URL only"
    return f"POST {_where(settings.api_url)}{parts.path}, {quota}, at most {settings.removal_rate:g} calls/s{sent}"


def _account(settings: Settings) -> str:
    if not settings.database_url:
        return "whether its calls are stopped is not looked at here (DATABASE_URL is not set)"
    engine = make_engine(settings.database_url, pooled=False)
    if not is_current(engine):
        return "whether its calls are stopped is not known before `cleanplate db upgrade`"
    found = transact(engine, lambda connection: circuits.find_open(connection, settings.account))
    if found is not None:
        raise CleanplateError(f"no calls are made: {describe_circuit(found)}")
    return "can be called"


def _budget(settings: Settings) -> str:
    price = settings.removal_price
    cost = f"{price_of(1, settings)} a call" if price else "no price (REMOVAL_PRICE is not set)"
    if settings.removal_daily_calls is None:
        return f"{cost}, no daily limit (REMOVAL_DAILY_CALLS is not set)"
    limit = f"{counted(settings.removal_daily_calls, 'call')} a day (UTC)"
    if not settings.database_url:
        return f"{cost}, {limit}"
    engine = make_engine(settings.database_url, pooled=False)
    if not is_current(engine):
        return f"{cost}, {limit}"
    made = transact(engine, lambda connection: budgets.used_today(connection, settings.account))
    if made >= settings.removal_daily_calls:
        raise CleanplateError(
            f"the daily limit of {limit} is used up; it continues after midnight UTC (REMOVAL_DAILY_CALLS)"
        )
    return f"{cost}, {count(made)} of {limit} made"


def _store(settings: Settings) -> str:
    open_store(settings.artifact_store, settings).check()
    AllowList(settings.fetch_allow_private)
    return f"kept in {settings.artifact_store}"


def _home(home: Path) -> str:
    existing = next(folder for folder in (home.resolve(), *home.resolve().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < 500_000_000:
        raise CleanplateError(f"{home} has only {size(free)} free")
    return f"{home}, {size(free)} free"


def _where(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or "a local socket"
    try:
        return f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return host
