"""What a role of a deployment begins with, and how it learns that it is to end."""

import signal
import threading

from cli.running.passwords import refuse_weak_passwords
from core import tracing
from core.errors import UsageError
from core.logs import configure_logs
from core.settings import Settings, load_settings
from localstack.orphan import watch_parent


def role_settings(role: str) -> Settings:
    """Return the settings of a role that runs by itself; its logs and traces go where they say.

    Raises:
        UsageError: It is not said where the servers are, or whose quota is shared, or their passwords are weak.
    """
    watch_parent()
    settings = load_settings()
    configure_logs(settings.log_level, role)
    tracing.start(role, settings.account)
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not getattr(settings, name.lower())]
    if missing:
        raise UsageError(
            f"`cleanplate {role}` needs {' and '.join(missing)}. For everything on this machine use `cleanplate up`."
        )
    refuse_weak_passwords(settings, "DATABASE_URL", "REDIS_URL")
    if not settings.api_url:
        raise UsageError(
            f"`cleanplate {role}` needs to know whose quota it shares: set REMOVAL_API_KEY (or REMOVAL_API_URL), the "
            "same for the dispatcher and all workers."
        )
    return settings


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
