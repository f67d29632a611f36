"""What is measured on: one PostgreSQL, one Valkey and one stand-in API, and what they counted."""

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg
from redis import Redis

from bench import usage
from bench.usage import Usage
from db.migrate import upgrade
from localstack.embedded import EmbeddedPostgres, EmbeddedValkey
from localstack.place import remove_place
from tests.chaos.fleet import SandboxProcess
from tests.servers import FAST, Servers, make_server_home

# What backends have counted is told to others after ten seconds of quiet at the latest.
STATISTICS_SECONDS = 10.5
_DATABASE = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
_JOBS = "SELECT n_tup_upd, n_tup_hot_upd, n_tup_newpage_upd FROM pg_stat_user_tables WHERE relname = 'jobs'"
_BYTES = (
    "SELECT relname, pg_total_relation_size(relid), n_dead_tup FROM pg_stat_user_tables "
    "WHERE relname NOT IN ('artifact_bytes', 'bare_results')"
)


class StandIn(SandboxProcess):
    """The stand-in API in a process of its own.

    Args:
        rate: Calls that any second may hold; 0 for any number.
        latency: Seconds that a call takes.
    """

    def __init__(self, rate: float, latency: float) -> None:
        self._argv = [sys.executable, "-m", "bench.standin", "--rate", str(rate), "--latency", str(latency)]
        self.url = ""
        # One for all questions: to make one costs as much as the work on several photos, ten times a second.
        self._client = httpx.Client(timeout=30, trust_env=False)

    @property
    def api_url(self) -> str:
        """Where calls go."""
        return f"{self.url}/rest/ai/image/removal"

    def configure(self, **changes: Any) -> None:
        """Change its quota or its latency."""
        self._client.get(f"{self.url}/admin/config", params=changes).raise_for_status()

    def reset(self) -> None:
        """Let it count from nothing."""
        self._client.get(f"{self.url}/admin/reset").raise_for_status()

    def outputs(self) -> int:
        """Return how many outputs were fetched."""
        return int(self._client.get(f"{self.url}/admin/outputs").json()["outputs"])


@dataclass(frozen=True, slots=True)
class Counted:
    """What servers have counted up to a moment."""

    transactions: int
    updates: int
    hot_updates: int
    limiter_calls: int
    scripts_us: int
    redis_commands: int

    def since(self, before: "Counted", photos: int) -> dict[str, float]:
        """Return what came to a photo since then."""
        calls, updates = self.limiter_calls - before.limiter_calls, self.updates - before.updates
        return {
            "transactions": round((self.transactions - before.transactions) / photos, 2),
            "jobs_updates": round(updates / photos, 2),
            "jobs_hot_share": round((self.hot_updates - before.hot_updates) / max(1, updates), 3),
            "limiter_calls": round(calls / photos, 2),
            "scripts_us": round((self.scripts_us - before.scripts_us) / photos, 1),
            "redis_commands": round((self.redis_commands - before.redis_commands) / photos, 1),
        }


class Ground:
    """The servers, started with it and gone with it.

    Args:
        rate: The quota; 0 for none.
        latency: Seconds that a call takes.
        is_durable: Let PostgreSQL wait for its disk, as it does in earnest.
        settings: Further settings of PostgreSQL.
    """

    def __init__(
        self, rate: float, latency: float, *, is_durable: bool = False, settings: dict[str, str] | None = None
    ) -> None:
        home = make_server_home()
        wanted = {**({} if is_durable else FAST), "max_connections": "200", "log_line_prefix": "@%p "}
        self.postgres = EmbeddedPostgres(home, settings={**wanted, **(settings or {})})
        self.valkey = EmbeddedValkey(home)
        self.api = StandIn(rate, latency)
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        self.api.start()
        self.servers = Servers(self.postgres.start(), self.valkey.start())
        upgrade(self.postgres.url)
        self.redis = Redis.from_url(self.valkey.url)
        self.dsn = self.postgres.url.replace("+psycopg", "")
        self.database = psycopg.connect(self.dsn, autocommit=True)
        self._postmaster = int((self.postgres.data / "postmaster.pid").read_text().splitlines()[0])
        self._valkey_pid = int(self.redis.info("server")["process_id"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()
        self.redis.close()
        self.api.stop()
        self.valkey.stop()
        self.postgres.stop()
        remove_place(self.postgres.home)

    def photo_urls(self, count: int) -> list[str]:
        """Return so many photos' URLs, each new."""
        return [f"{self.api.url}/photo/{number}.jpg" for number in itertools.islice(self._numbers, count)]

    def postgres_usage(self) -> Usage:
        """Return what PostgreSQL took so far."""
        return usage.of_tree(self._postmaster)

    def redis_usage(self) -> Usage:
        """Return what Redis took so far."""
        return usage.of_tree(self._valkey_pid)

    def counted(self) -> Counted:
        """Return what the servers have counted; what backends did a moment ago may be missing."""
        transactions = self._row(_DATABASE)
        updates = self._row(_JOBS)
        commands: Any = self.redis.info("commandstats")
        scripts = [commands.get(f"cmdstat_{name}", {}) for name in ("evalsha", "eval", "fcall")]
        return Counted(
            transactions[0],
            updates[0],
            updates[1],
            # Each limiter asks for the time once a call; of the scripts that take messages none does.
            commands.get("cmdstat_time", {}).get("calls", 0),
            sum(each.get("usec", 0) for each in scripts),
            int(self.redis.info("stats")["total_commands_processed"]),
        )

    def tables(self) -> dict[str, tuple[int, int]]:
        """Return what each table and its indexes take, in bytes, and how many of its rows are dead.

        Outputs that are kept in one are left out.
        """
        return {name: (size, dead) for name, size, dead in self.database.execute(_BYTES.encode()).fetchall()}

    def wal_bytes(self) -> int:
        """Return what PostgreSQL has written into its log so far."""
        return self._row("SELECT CAST(pg_current_wal_lsn() - '0/0'::pg_lsn AS bigint)")[0]

    def log_statements(self, *, wanted: bool) -> None:
        """Let PostgreSQL write every statement into its log, or no longer."""
        self.database.execute(f"ALTER SYSTEM SET log_statement = '{'all' if wanted else 'none'}'")
        self.database.execute("SELECT pg_reload_conf()")
        time.sleep(0.2)

    def statements_in(self, work: Callable[[], object]) -> tuple[int, int]:
        """Return how many statements PostgreSQL was sent meanwhile, and how many round trips with BEGIN and COMMIT."""
        self.log_statements(wanted=True)
        start = self.postgres.log_path.stat().st_size
        work()
        self.log_statements(wanted=False)
        with self.postgres.log_path.open("rb") as log:
            log.seek(start)
            lines = [line for line in log if line.startswith(b"@") and _is_statement(line)]
        return sum(not _is_frame(line) for line in lines), len(lines)

    def _row(self, query: str) -> tuple[int, ...]:
        row = self.database.execute(query.encode()).fetchone()
        assert row is not None
        return row


def quiet(usage_now: Callable[[], Usage], *, seconds: float = 60.0) -> None:
    """Wait until processes take less than a tenth of a core."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    before = usage_now().seconds
    while time.monotonic() < deadline:
        pause.wait(1.0)
        now = usage_now().seconds
        if now - before < 0.1:
            return
        before = now


def start_process(argv: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a process that writes into a log."""
    with log.open("ab") as file:
        return subprocess.Popen(argv, env=environment, stdout=file, stderr=file, start_new_session=True)


def _is_statement(line: bytes) -> bool:
    return b" LOG:  execute " in line or b" LOG:  statement: " in line


def _is_frame(line: bytes) -> bool:
    return line.rstrip().endswith((b": BEGIN", b": COMMIT", b": ROLLBACK"))
