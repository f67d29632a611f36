"""A database that was restored from a backup: what it does not know, and what to do about it."""

from collections.abc import Iterator
from functools import partial

from sqlalchemy import Connection, Engine

from cli.actor import actor
from core.called import Called
from core.errors import CleanplateError, RedisDown, Refused
from core.figures import counted
from core.settings import Settings
from db import processes, restores
from db.restores import Restore
from db.session import transact
from db.store import open_store
from exporting.stores import count_lost
from removal.limiter import LimiterUnavailable
from removal.limiter.memos import CallMemory

ROLES = ("worker", "dispatcher")


def hold_restored(engine: Engine, settings: Settings) -> Iterator[str]:
    """Hold what may be paid for since the backup, and yield what was found, a line each.

    Raises:
        Refused: Workers or dispatchers run.
        RedisDown: What was called for since is remembered there.
    """
    called = _remembered(engine, settings)
    price = settings.removal_price

    def work(connection: Connection) -> Restore | None:
        alive = [each.name for each in processes.list_recent(connection) if each.is_alive and each.role in ROLES]
        if alive:
            raise Refused(
                f"{', '.join(alive)} showed up less than {processes.ALIVE_SECONDS:.0f} s ago. Nothing was changed: "
                "stop every worker and dispatcher, wait as long, and run it again."
            )
        return restores.note(connection, called or [], price=price, is_told=True, actor=actor())

    restore = transact(engine, work)
    assert restore is not None
    yield from _tell(restore)
    if called is None:
        yield "The embedded Redis is not asked by this command: dispatcher and workers ask it as they start."
    elif not called:
        yield (
            "Redis remembers no calls (it was wiped, or none were made for a week), so nobody knows what was called "
            "for after the backup: photos that wait are paid for, some of them again. Compare with the provider's bill."
        )
    lost = count_lost(engine, open_store(settings.artifact_store, settings), restore)
    if lost:
        yield (
            f"{counted(lost, 'output')} in {settings.artifact_store} of no photo that the backup knows: `store sweep` "
            f"leaves what was kept since, until {restore.kept_until:%Y-%m-%d}."
        )


def find_restored(engine: Engine, settings: Settings) -> tuple[bool, str] | None:
    """Return whether all is decided and what is known of it; None when the database was not restored lately."""
    behind = _count_missing(engine, settings)
    if behind:
        since = behind[0].at
        return False, (
            f"it was restored from a backup that does not know of {counted(len(behind), 'call')} made since "
            f"{since:%Y-%m-%d %H:%M:%S} UTC. Nothing is called for again: `cleanplate db restored` holds those photos, "
            "and so do dispatcher and worker when they start"
        )
    found, undecided = transact(
        engine, lambda connection: (restores.list_recent(connection), restores.count_undecided(connection))
    )
    if not found:
        return None
    told = " ".join(_tell(found[0]))
    return not undecided, f"{told} {counted(undecided, 'photo still needs', 'photos still need')} a decision."


def _tell(restore: Restore) -> Iterator[str]:
    yield (
        f"The database was restored from a backup that does not know of {counted(restore.calls, 'call')} made since "
        f"{restore.since:%Y-%m-%d %H:%M:%S} UTC."
    )
    if restore.held:
        yield (
            f"{counted(restore.held, 'photo is', 'photos are')} held (code `{restores.CODE}`) and not called for again "
            f"unasked: `cleanplate retry BATCH --held --code {restores.CODE}` has them made, and paid for, once more."
        )
    if restore.unknown:
        yield (
            f"{counted(restore.unknown, 'call was', 'calls were')} for photos that the backup does not know: handed in "
            "again, they are paid for again."
        )


def _remembered(engine: Engine, settings: Settings) -> list[Called] | None:
    if not settings.redis_url:
        return None
    home = transact(engine, restores.home)
    memory = CallMemory(settings.redis_url, settings.account)
    try:
        return memory.list_called(home)
    except LimiterUnavailable as error:
        raise RedisDown(f"{error}. Nothing was changed: start Redis, and run it again.") from error
    finally:
        memory.close()


def _count_missing(engine: Engine, settings: Settings) -> list[Called]:
    if not settings.redis_url:
        return []
    memory = CallMemory(settings.redis_url, settings.account)
    try:
        home = transact(engine, restores.home)
        if memory.newest_attempt(home) <= transact(engine, restores.newest_known):
            return []
        called = memory.list_called(home)
    except (LimiterUnavailable, CleanplateError):
        # Said by those who look whether they answer.
        return []
    finally:
        memory.close()
    return transact(engine, partial(restores.find_missing, called=called))
