"""Forgetting what nobody will ask about again, so that tables do not grow for ever."""

from sqlalchemy import Connection

from db import call_rates, decisions, drafts, idempotency, previews, processes, users
from db.plans import by_key
from db.statements import text

AT_ONCE = 5000

_ENDED = "coalesce(ended_at, created_at)"
_SWEPT_SECONDS = 7 * 86_400


def forget_old(connection: Connection, days: float) -> int:
    """Forget old webhooks, callbacks, answers that were kept for repeated requests, and what the console left behind.

    Returns:
        How many.

    Photos that a shop told of are remembered for ever: they are what keeps a repeated webhook from making work.

    Args:
        connection: An open transaction.
        days: How old what is forgotten is at least. Answers to requests have an age of their own.
    """
    by_key(connection)
    forgotten = drafts.forget_old(connection)
    forgotten += _forget(connection, "deliveries", "received_at", days)
    forgotten += _forget(connection, "lookups", _ENDED, days)
    swept = text("DELETE FROM swept_objects WHERE swept_at < now() - make_interval(secs => :seconds)")
    forgotten += connection.execute(swept, {"seconds": _SWEPT_SECONDS}).rowcount
    forgotten += decisions.forget_old(connection)
    forgotten += idempotency.forget_old(connection) + users.forget_old(connection) + processes.forget_old(connection)
    forgotten += _forget(connection, "callbacks", _ENDED, days)
    return forgotten + call_rates.forget_old(connection) + previews.forget_old(connection)


def _forget(connection: Connection, table: str, since: str, days: float) -> int:
    # The first there are, as they came in: what is old is among them, and what is new is not looked at. No row is kept
    # for longer than a day after others that came in with it.
    statement = text(
        f"DELETE FROM {table} WHERE id = ANY(ARRAY(SELECT id FROM "  # noqa: S608 - names of this module
        f"(SELECT id, {since} AS since FROM {table} ORDER BY id LIMIT :most) AS first "
        "WHERE since < now() - make_interval(secs => :seconds)))"
    )
    return connection.execute(statement, {"seconds": days * 86_400, "most": AT_ONCE}).rowcount
