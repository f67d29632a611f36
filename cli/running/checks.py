"""What is checked before anything starts, so that a wrong setting is not found out by a worker later."""

from redis import AuthenticationError, Redis, RedisError
from redis.exceptions import NoPermissionError

from core.errors import RedisDown, UsageError
from core.net.addresses import AllowList
from core.settings import Settings
from db.store import open_store

CONNECT_SECONDS = 3.0
TRIED_KEY = "cleanplate:tried"
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
_TELLS_WHICH_IT_IS = """
local told = redis.pcall('INFO', 'server')
return type(told) == 'string' and string.find(told, 'run_id:%x') and 1 or 0
"""


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
    """Make sure that Redis answers, and lets us in.

    Raises:
        UsageError: The URL is none of Redis, or the server behind it is not to be trusted or used as it says.
        RedisDown: It does not answer.
    """
    try:
        client = Redis.from_url(redis_url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS)
    except ValueError as error:
        raise UsageError("REDIS_URL is not a Redis URL; it looks like redis://host:6379/0") from error
    try:
        client.ping()
        # As the limiter and the broker's client do: a script that writes.
        client.eval("return redis.call('SET', KEYS[1], '', 'PX', '1')", 1, TRIED_KEY)
    except AuthenticationError as error:
        raise UsageError(
            f"Redis refuses the user or the password of REDIS_URL ({error}). It looks like "
            "redis://user:password@host:6379/0, with what is no letter or digit percent-encoded."
        ) from error
    except NoPermissionError as error:
        raise UsageError(
            f"The user of REDIS_URL may not do all that is needed ({error}); docs/servers.md has a user's rights."
        ) from error
    except (RedisError, OSError, ValueError) as error:
        if UNTRUSTED in str(error):
            raise UsageError(
                f"Redis is not trusted, and was told nothing: {error}. Name in REDIS_URL whom to trust "
                "(rediss://…?ssl_ca_certs=/path/to/ca.pem), and the server as its certificate does."
            ) from error
        raise RedisDown(
            f"Redis does not answer at REDIS_URL ({type(error).__name__}: {error}). Nothing is lost: start it, or "
            "unset REDIS_URL to use the embedded one, then run the same command again."
        ) from error
    finally:
        client.close()


def tells_failovers(redis_url: str) -> bool:
    """Return whether a Redis that answers tells our user which server it is, as the limiter asks it."""
    with Redis.from_url(redis_url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS) as client:
        try:
            return bool(client.eval(_TELLS_WHICH_IT_IS, 0))
        except (RedisError, OSError) as error:
            raise RedisDown(
                f"Redis does not answer at REDIS_URL any more ({type(error).__name__}: {error})."
            ) from error
