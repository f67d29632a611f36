"""Passwords that keep nobody out are refused before a process opens or uses what they are to close."""

import ipaddress
import logging
import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from core.errors import UsageError
from core.password_strength import HOW_TO_MAKE_ONE, weakness_of
from core.settings import Settings

log = logging.getLogger(__name__)

LOCAL_NAMES = {"", "localhost"}
SHORTEST_HERE = 8
_ELSEWHERE = {"passfile": "PGPASSFILE", "service": "PGSERVICE", "sslcert": "PGSSLCERT", "gssencmode": "PGGSSENCMODE"}
"""Where libpq finds what a server asks for, when it is no password of a URL: by parameter and by variable."""
_FILES = (".pgpass", ".postgresql/postgresql.crt")


def refuse_weak_passwords(settings: Settings, *names: str) -> None:
    """Check the passwords of a process; servers on this machine are reached by whoever is on it, and may have any.

    Args:
        settings: Of this process.
        names: Which of `DATABASE_URL`, `REDIS_URL` and `FLOWER_BASIC_AUTH` it uses; those that are not set pass.

    Raises:
        UsageError: Some are weak; the message names the settings, and never a password.
    """
    looks = {"DATABASE_URL": _of_database, "REDIS_URL": _of_redis, "FLOWER_BASIC_AUTH": _of_flower}
    flaws = [f"the password in {name} {flaw}" for name in names if (flaw := looks[name](settings))]
    if flaws:
        raise UsageError(
            f"Weak passwords are refused: {'; '.join(flaws)}. Nothing was started: set another one where it is asked "
            f"for and in the settings (one way to make one: {HOW_TO_MAKE_ONE}), then start again."
        )


def _of_flower(settings: Settings) -> str:
    name, _, password = settings.flower_basic_auth.get_secret_value().partition(":")
    if not name:
        return ""
    if _is_here(settings.flower_host):
        return "" if len(password) >= SHORTEST_HERE else f"is shorter than {SHORTEST_HERE} characters"
    return weakness_of(password, name)


def _of_database(settings: Settings) -> str:
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError):
        # Whoever connects says what is wrong with it.
        return ""
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        return ""
    given = {name: told if isinstance(told, str) else ",".join(told) for name, told in url.query.items()}
    host = given.get("host") or url.host or os.environ.get("PGHOST", "")
    if all(map(_is_here, host.split(","))):
        return ""
    password = url.password or given.get("password") or os.environ.get("PGPASSWORD", "")
    if not password:
        if not _is_told_elsewhere(given):
            _warn("DATABASE_URL")
        return ""
    return weakness_of(str(password), url.username or given.get("user", ""), url.database or "")


def _is_told_elsewhere(given: dict[str, str]) -> bool:
    if any(given.get(name) or os.environ.get(variable) for name, variable in _ELSEWHERE.items()):
        return True
    return any((Path.home() / name).exists() for name in _FILES)


def _of_redis(settings: Settings) -> str:
    try:
        url = urlsplit(settings.redis_url)
        host, query = url.hostname or "", parse_qs(url.query)
    except ValueError:
        return ""
    if url.scheme not in {"redis", "rediss"} or _is_here(host):
        return ""
    password = unquote(url.password or "") or _first(query, "password")
    if not password:
        if not _first(query, "ssl_certfile"):
            _warn("REDIS_URL")
        return ""
    return weakness_of(password, unquote(url.username or "") or _first(query, "username"))


def _warn(name: str) -> None:
    # Whoever runs a server in a network of its own may have it ask nobody; a password is what somebody chose badly.
    log.warning("%s has no password: whoever reaches that server commands the workers", name)


def _first(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]


def _is_here(host: str) -> bool:
    """Whether a host is this machine: no name, a folder of sockets, loopback."""
    if host in LOCAL_NAMES or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
