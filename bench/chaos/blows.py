"""What is done to them: each blow hurts, and says how long it lasts and how it is mended."""

import contextlib
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bench.chaos.rig import BEHIND_A_PROXY, FAULTS, LEASE_SECONDS, RATE, Rig
from tests.chaos.fleet import Role


@dataclass(frozen=True, slots=True)
class Hurt:
    """A blow that was struck.

    Args:
        seconds: How long it lasts.
        mend: Ends it.
        word: What is special about it, for people.
        loses_calls: Whether what is in flight may be paid for and lost.
        refuses_calls: Whether calls may be refused while it lasts, and shortly after.
    """

    seconds: float
    mend: Callable[[], None]
    word: str = ""
    loses_calls: bool = False
    refuses_calls: bool = False


Blow = Callable[[Rig, random.Random], Hurt]


def kill_worker(rig: Rig, dice: random.Random) -> Hurt:
    slot = dice.randrange(len(rig.workers))
    rig.workers[slot].kill()

    def mend() -> None:
        rig.workers[slot] = rig.start_worker(slot)

    return Hurt(dice.uniform(0, 4), mend, f"{slot}", loses_calls=True)


def freeze_worker(rig: Rig, dice: random.Random) -> Hurt:
    slot = dice.randrange(len(rig.workers))
    seconds = dice.choice([dice.uniform(1, LEASE_SECONDS / 2), LEASE_SECONDS + dice.uniform(2, 6)])
    return _freeze(rig.workers[slot], seconds, f"{slot}")


def kill_dispatcher(rig: Rig, dice: random.Random) -> Hurt:
    place = dice.randrange(len(rig.dispatchers))
    rig.dispatchers[place].kill()

    def mend() -> None:
        rig.dispatchers[place] = rig.fleet.start("dispatcher")

    return Hurt(dice.uniform(0, 4), mend, f"{place}")


def freeze_dispatcher(rig: Rig, dice: random.Random) -> Hurt:
    place = dice.randrange(len(rig.dispatchers))
    return _freeze(rig.dispatchers[place], dice.choice([3.0, 12.0, 33.0]), f"{place}")


def _freeze(role: Role, seconds: float, word: str) -> Hurt:
    _signal(role, signal.SIGSTOP)
    return Hurt(seconds, lambda: _signal(role, signal.SIGCONT), word, loses_calls=True, refuses_calls=True)


def _signal(role: Role, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(role.process.pid, number)


def cut_worker_off(rig: Rig, dice: random.Random) -> Hurt:
    for proxy in rig.way:
        proxy.cut()
    is_lost = dice.random() < 0.5

    def mend() -> None:
        for proxy in rig.way:
            proxy.mend(is_lost=is_lost)

    seconds = dice.choice([2.0, LEASE_SECONDS + dice.uniform(2, 6)])
    return Hurt(seconds, mend, f"{BEHIND_A_PROXY}", loses_calls=True, refuses_calls=True)


def flush_redis(rig: Rig, _dice: random.Random) -> Hurt:
    with contextlib.suppress(RedisError), rig.redis() as client:
        client.flushall()
    return _over()


def restart_redis(rig: Rig, _dice: random.Random) -> Hurt:
    rig.fleet.valkey.restart()
    return _over()


def pause_redis(rig: Rig, dice: random.Random) -> Hurt:
    seconds = dice.uniform(1, 4)
    with contextlib.suppress(RedisError), rig.redis() as client:
        client.client_pause(int(seconds * 1000))
    return Hurt(seconds, lambda: None, refuses_calls=True)


def fill_redis(rig: Rig, dice: random.Random) -> Hurt:
    def limit(maxmemory: int) -> None:
        with contextlib.suppress(RedisError), rig.redis() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", maxmemory)

    limit(1_000_000)
    return Hurt(dice.uniform(2, 6), lambda: limit(0), refuses_calls=True)


def restart_postgres(rig: Rig, _dice: random.Random) -> Hurt:
    rig.fleet.postgres.restart()
    return _over()


def end_backends(rig: Rig, _dice: random.Random) -> Hurt:
    statement = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND pid <> pg_backend_pid()"
    )
    with contextlib.suppress(SQLAlchemyError), rig.fleet.engine.connect() as connection:
        connection.execute(statement).all()
    return _over()


def fill_store(rig: Rig, dice: random.Random) -> Hurt:
    filler = rig.store / "filler"
    _fill(filler)
    return Hurt(dice.uniform(2, 7), lambda: filler.unlink(missing_ok=True))


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65_536))


def lower_quota(rig: Rig, dice: random.Random) -> Hurt:
    lower = dice.choice([RATE / 2, RATE / 4, 3.0])
    rig.configure(rate=lower)
    return Hurt(dice.uniform(4, 12), lambda: rig.configure(rate=RATE), f"to {lower:g}/s", refuses_calls=True)


def take_api_away(rig: Rig, dice: random.Random) -> Hurt:
    rig.configure(faults={"http503": 1.0})
    return Hurt(dice.uniform(2, 8), lambda: rig.configure(faults=FAULTS))


def _over() -> Hurt:
    return Hurt(0.0, lambda: None, refuses_calls=True)


BLOWS: tuple[Blow, ...] = (
    kill_worker,
    freeze_worker,
    kill_dispatcher,
    freeze_dispatcher,
    cut_worker_off,
    flush_redis,
    restart_redis,
    pause_redis,
    fill_redis,
    restart_postgres,
    end_backends,
    fill_store,
    lower_quota,
    take_api_away,
)
