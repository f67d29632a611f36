"""What is checked before anything starts, so that a wrong setting is not found out by a worker later."""

from redis import Redis, RedisError

from core.errors import RedisDown, UsageError
from core.net.addresses import AllowList
from core.settings import Settings
from db.store import open_store

CONNECT_SECONDS = 3.0


def check_settings(settings: Settings) -> None:
    """Look at the settings a worker would stumble over.

    Raises:
        UsageError: One cannot be used; the message names it.
        RedisDown: REDIS_URL is set and does not answer.
    """
    open_store(settings.artifact_store, settings)
    AllowList(settings.fetch_allow_private)
    if settings.redis_url:
        ping_redis(settings.redis_url)


def ping_redis(redis_url: str) -> None:
    """Make sure that Redis answers.

    Raises:
        UsageError: The URL is none of Redis.
        RedisDown: It does not answer.
    """
    try:
        client = Redis.from_url(redis_url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS)
    except ValueError as error:
        raise UsageError("REDIS_URL is not a Redis URL; it looks like redis://host:6379/0") from error
    try:
        client.ping()
    except (RedisError, OSError, ValueError) as error:
        raise RedisDown(
            f"Redis does not answer at REDIS_URL ({type(error).__name__}). Nothing is lost: start it, or unset "
            "REDIS_URL to use the embedded one, then run the same command again."
        ) from error
    finally:
        client.close()
