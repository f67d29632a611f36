"""Money before it is spent: every call is reserved in the transaction that opens it, so no limit is ever overshot."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Connection

from core.settings import Settings
from db import locks, tallies
from db.locks import Space
from db.plans import ACTIVE, by_key
from db.statements import text

PAUSE_REASON = "budget"


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a call costs, and how many the account may make.

    Args:
        price: Of one call; 0 when nobody said.
        daily_calls: Most calls of the account on one day (UTC); None for any number.
    """

    price: Decimal = Decimal(0)
    daily_calls: int | None = None


FREE = Tariff()


def tariff_of(settings: Settings) -> Tariff:
    """Return what a call costs, and how many there may be in a day."""
    return Tariff(settings.removal_price, settings.removal_daily_calls)


def set_limits(
    connection: Connection, batch_id: int, *, max_calls: int | None, max_cost: Decimal | None, is_new: bool = False
) -> None:
    """Set a batch's limits; what it spent before it had any counts.

    Args:
        connection: An open transaction.
        batch_id: Whose.
        max_calls: Most calls that are sent; None leaves it as it is.
        max_cost: Most that paid and maybe billed calls cost together; None leaves it as it is.
        is_new: Whether this transaction made it, so that nobody else calls for it yet.
    """
    if max_calls is None and max_cost is None:
        return
    if not is_new:
        locks.hold(connection, Space.LIMITS, str(batch_id))
    had = connection.execute(
        text("SELECT max_calls IS NOT NULL OR max_cost IS NOT NULL FROM batches WHERE id = :id FOR NO KEY UPDATE"),
        {"id": batch_id},
    ).scalar_one()
    statement = text(
        "UPDATE batches SET max_calls = coalesce(:calls, max_calls), max_cost = coalesce(:cost, max_cost) "
        "WHERE id = :id"
    )
    connection.execute(statement, {"id": batch_id, "calls": max_calls, "cost": max_cost})
    if not had:
        _count_the_past(connection, batch_id)


def hold_limits(connection: Connection, batch_id: int) -> None:
    """Keep a batch from getting its first limit until this transaction ends.

    A batch without limits counts nothing, so the count that its first limit makes of the past must not miss what is
    being written. Any number of calls hold this at the same time; it comes before the statement that reads or writes.
    """
    locks.share(connection, Space.LIMITS, str(batch_id))


def is_limited(connection: Connection, batch_id: int) -> bool:
    """Whether a batch has limits; `hold_limits` keeps a no from becoming a yes."""
    statement = text("SELECT max_calls IS NOT NULL OR max_cost IS NOT NULL FROM batches WHERE id = :id")
    return bool(connection.execute(statement, {"id": batch_id}).scalar_one())


def reserve(connection: Connection, *, batch_id: int, account: str, tariff: Tariff) -> bool:
    """Take one call out of the batch's and the account's budget; False when either is used up.

    The rows stay locked until the call is written down, so the next one sees what is left.

    Args:
        connection: The transaction that opens the call; what is reserved falls with it.
        batch_id: Whose call.
        account: Who pays.
        tariff: At what price, within what daily limit.
    """
    savepoint = connection.begin_nested()
    if _reserve_in_batch(connection, batch_id, tariff.price) and _reserve_today(connection, account, tariff):
        savepoint.commit()
        return True
    savepoint.rollback()
    return False


def refund(connection: Connection, batch_id: int, price: Decimal) -> None:
    """Return to a batch that has limits the price of a call that was made and cost nothing; it still counts."""
    statement = text("UPDATE batches SET cost_reserved = cost_reserved - :price WHERE id = :id")
    connection.execute(statement, {"id": batch_id, "price": price})


def withdraw(connection: Connection, batch_id: int, price: Decimal) -> None:
    """Return to a batch that has limits a call that was never sent, and what was reserved for it."""
    statement = text(
        "UPDATE batches SET calls_made = calls_made - 1, cost_reserved = cost_reserved - :price WHERE id = :id"
    )
    connection.execute(statement, {"id": batch_id, "price": price})


def withdraw_today(connection: Connection, account: str, day: date) -> None:
    """Return to an account a call that was never sent, on the day (UTC) on which it was reserved."""
    statement = text("UPDATE daily_calls SET calls = calls - 1 WHERE account = :account AND day = :day AND calls > 0")
    connection.execute(statement, {"account": account, "day": day})


def lock_day(connection: Connection, account: str, day: date) -> None:
    """Lock what an account used on a day (UTC), if that is counted, until this transaction ends."""
    statement = text("SELECT 1 FROM daily_calls WHERE account = :account AND day = :day FOR NO KEY UPDATE")
    connection.execute(statement, {"account": account, "day": day})


def used_today(connection: Connection, account: str) -> int:
    """Return how many calls of an account count for today's limit (UTC)."""
    statement = text(
        "SELECT calls FROM daily_calls WHERE account = :account AND day = CAST(now() AT TIME ZONE 'UTC' AS date)"
    )
    return int(connection.execute(statement, {"account": account}).scalar_one_or_none() or 0)


def count_today(connection: Connection, account: str) -> None:
    """Take into account the calls of today that were made while no daily limit was set."""
    statement = text(
        "INSERT INTO daily_calls AS d (account, day, calls) "
        "SELECT :account, CAST(now() AT TIME ZONE 'UTC' AS date), count(*) FROM attempts "
        "WHERE account = :account AND sent_at >= CAST(now() AT TIME ZONE 'UTC' AS date) AT TIME ZONE 'UTC' "
        "ON CONFLICT (account, day) DO UPDATE SET calls = greatest(d.calls, excluded.calls)"
    )
    connection.execute(statement, {"account": account})


def resume_affordable(connection: Connection, account: str, tariff: Tariff) -> list[int]:
    """Let batches that were paused for want of budget go on once there is some; return their ids."""
    by_key(connection)
    statement = text(
        "WITH affordable AS MATERIALIZED (SELECT id FROM batches "
        "WHERE id = ANY(ARRAY(SELECT id FROM batches WHERE state = 'paused' "
        # Only the index over paused ones has this order, and so no other will do.
        "AND pause_reason BETWEEN 'budget' AND 'budget' ORDER BY pause_reason, id)) AND state || '' = 'paused' "
        "AND pause_reason = 'budget' AND (max_calls IS NULL OR calls_made < max_calls) "
        "AND (max_cost IS NULL OR cost_reserved + :price <= max_cost) "
        "AND (CAST(:daily AS bigint) IS NULL OR coalesce((SELECT calls FROM daily_calls "
        "WHERE account = :account AND day = CAST(now() AT TIME ZONE 'UTC' AS date)), 0) < :daily) "
        "ORDER BY id FOR NO KEY UPDATE) UPDATE batches AS b SET state = 'active', pause_reason = NULL "
        "WHERE b.id = ANY(ARRAY(SELECT id FROM affordable)) RETURNING b.id"
    )
    values = {"price": tariff.price, "daily": tariff.daily_calls, "account": account}
    return list(connection.execute(statement, values).scalars())


def smallest_share_left(connection: Connection, price: Decimal) -> float:
    """Return how much is left of the budget that is nearest to its end, from 0 to 1, of those that will not do.

    Args:
        connection: An open transaction.
        price: What a call costs. Batches whose photos still to do cost less than what is left are not looked at.
    """
    by_key(connection)
    statement = text(
        "WITH changed AS MATERIALIZED (SELECT batch_id, sum(n) AS n FROM batch_count_changes "  # noqa: S608
        "WHERE what IN ('pending', 'queued', 'running') GROUP BY batch_id) "
        # What is left of a used-up budget may be a share, and yet not enough for a call.
        "SELECT min(CASE WHEN calls_left < 1 THEN 0 ELSE share END) FROM (SELECT id, "
        "least(max_calls - calls_made, (max_cost - cost_reserved) / nullif(CAST(:price AS numeric), 0)) AS calls_left, "
        "least(1 - calls_made / nullif(CAST(max_calls AS numeric), 0), 1 - cost_reserved / nullif(max_cost, 0)) "
        f"AS share FROM (SELECT * FROM {ACTIVE} AS active UNION ALL (SELECT * FROM batches WHERE state = 'paused' "
        "AND pause_reason BETWEEN 'budget' AND 'budget' ORDER BY pause_reason, id)) AS b "
        "WHERE max_calls IS NOT NULL OR max_cost IS NOT NULL) AS b WHERE "
        + tallies.counted("'pending', 'queued', 'running'")
        + " + "
        "coalesce((SELECT n FROM changed WHERE batch_id = b.id), 0) > greatest(calls_left, 0)"
    )
    left = connection.execute(statement, {"price": price}).scalar_one()
    return 1.0 if left is None else max(0.0, float(left))


def _count_the_past(connection: Connection, batch_id: int) -> None:
    statement = text(
        "UPDATE batches SET calls_made = past.calls, cost_reserved = past.cost FROM (SELECT count(*) AS calls, "
        "coalesce(sum(price) FILTER (WHERE spend <> 'none'), 0) AS cost FROM attempts "
        "WHERE batch_id = :id AND sent_at IS NOT NULL) AS past WHERE id = :id"
    )
    connection.execute(statement, {"id": batch_id})


def _reserve_in_batch(connection: Connection, batch_id: int, price: Decimal) -> bool:
    statement = text(
        "UPDATE batches SET calls_made = calls_made + 1, cost_reserved = cost_reserved + :price WHERE id = :id "
        "AND (max_calls IS NULL OR calls_made < max_calls) "
        "AND (max_cost IS NULL OR cost_reserved + :price <= max_cost)"
    )
    return connection.execute(statement, {"id": batch_id, "price": price}).rowcount == 1


def _reserve_today(connection: Connection, account: str, tariff: Tariff) -> bool:
    if tariff.daily_calls is None:
        return True
    statement = text(
        "INSERT INTO daily_calls AS d (account, day, calls) "
        "SELECT :account, CAST(now() AT TIME ZONE 'UTC' AS date), 1 WHERE :daily > 0 "
        "ON CONFLICT (account, day) DO UPDATE SET calls = d.calls + 1 WHERE d.calls < :daily"
    )
    return connection.execute(statement, {"account": account, "daily": tariff.daily_calls}).rowcount == 1
