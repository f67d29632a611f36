"""Put first on PYTHONPATH, it gives every pool of a process one connection, and tells of who asks one for a second.

Who holds a connection and waits for another of the same pool may wait for a thread that does the same.
"""

import os
import threading
import traceback
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool, QueuePool

FILE_VARIABLE = "SECOND_CONNECTIONS_FILE"
HOLDER = "held by"

_make, _connect = QueuePool.__init__, Pool.connect
_held: set[tuple[int, int]] = set()


# Engines look at a pool's arguments by their names.
def _make_small(
    self: QueuePool, creator: Any, pool_size: int = 1, max_overflow: int = 0, timeout: float = 30.0, **options: Any
) -> None:
    _make(self, creator, min(pool_size, 1), min(max_overflow, 0), timeout, **options)


def _connect_once(self: Pool) -> Any:
    if isinstance(self, QueuePool) and (threading.get_ident(), id(self)) in _held:
        with Path(os.environ[FILE_VARIABLE]).open("a", encoding="utf-8") as file:
            file.write("".join(traceback.format_stack()))
        raise RuntimeError("a thread that holds a connection of a pool asks it for another")
    return _connect(self)


def _note_taken(_: Any, record: Any, fairy: Any) -> None:
    record.info[HOLDER] = (threading.get_ident(), id(fairy._pool))
    _held.add(record.info[HOLDER])


def _note_given_back(_: Any, record: Any) -> None:
    _held.discard(record.info.pop(HOLDER, (0, 0)))


QueuePool.__init__ = _make_small  # type: ignore[method-assign, assignment]
Pool.connect = _connect_once  # type: ignore[method-assign]
event.listen(Pool, "checkout", _note_taken)
event.listen(Pool, "checkin", _note_given_back)
event.listen(Pool, "detach", _note_given_back)
