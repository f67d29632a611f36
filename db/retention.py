"""Forgetting what nobody will ask about again, so that tables do not grow for ever."""

from sqlalchemy import Connection, text

from db import call_rates, drafts, idempotency, previews, processes, users

AT_ONCE = 5000

_OLD = {
    "deliveries": "received_at",
    "callbacks": "coalesce(ended_at, created_at)",
    "lookups": "coalesce(ended_at, created_at)",
}
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
    nouns = (idempotency, users, processes, call_rates, previews, drafts)
    forgotten: int = sum(each.forget_old(connection) for each in nouns)
    swept = text("DELETE FROM swept_objects WHERE swept_at < now() - make_interval(secs => :seconds)")
    forgotten += connection.execute(swept, {"seconds": _SWEPT_SECONDS}).rowcount
    for table, since in _OLD.items():
        statement = text(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} "  # noqa: S608 - names of this module
            f"WHERE {since} < now() - make_interval(secs => :seconds) ORDER BY {since} LIMIT :most)"
        )
        values = {"seconds": days * 86_400, "most": AT_ONCE}
        forgotten += connection.execute(statement, values).rowcount
    return forgotten
