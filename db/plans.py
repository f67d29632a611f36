"""How PostgreSQL is to find rows, where its statistics cannot be trusted."""

from sqlalchemy import Connection

from db.statements import text

ACTIVE = "(SELECT * FROM batches WHERE state = 'active' ORDER BY lane, id OFFSET 0)"
"""As SQL, active batches, by their own index in the same way."""

_TOLD = "by_key"
"""Under which name a connection keeps the transaction that was told last."""

PLACE = "CAST(ctid AS text) AS place"
AT_PLACES = "ctid = ANY(CAST(:places AS tid[]))"
"""As SQL, rows that this transaction has locked, by where they lie: of two indexes that end with `id` the planner may
take the one that does not begin with it, when it takes a table for empty. Who locks them orders them by `id`."""


def row(columns: str, table: str, key: str, also: str = "true") -> str:
    """Return, as SQL, the one row of a table with a key, found by the primary key whatever the planner believes.

    With `=` any index will do for a planner that takes the table for empty, and the whole of one may be read; only the
    primary key's has the order by `id` alone, where sorting is ruled out.

    Args:
        columns: What of it.
        table: Which.
        key: The id, as SQL.
        also: What else must hold.
    """
    return f"SELECT {columns} FROM {table} WHERE id BETWEEN {key} AND {key} AND {also} ORDER BY id LIMIT 1"  # noqa: S608


def by_range(connection: Connection) -> None:
    """Let what follows in this transaction read the newest rows by an index over time, not all that ever were."""
    connection.execute(text("SELECT set_config('enable_seqscan', 'off', true)"))


def by_key(connection: Connection) -> None:
    """Let what follows in this transaction reach its rows by an index in its order, whatever the planner believes.

    After a large intake the statistics say for minutes that next to nothing is pending. A plan that is good then reads
    or sorts every pending job for each pick; one that walks the index in its order reads as many as it picks, always.
    """
    transaction = connection.get_transaction()
    if transaction is not None and connection.info.get(_TOLD) is transaction:
        return
    connection.execute(
        text(
            "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
            "set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true), "
            "set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"
        )
    )
    # What is told within a savepoint may be taken back with it.
    if not connection.in_nested_transaction():
        connection.info[_TOLD] = connection.get_transaction()


def in_index_order(first: str, second: str, *, start: str, values: tuple[str, str]) -> str:
    """Return a condition and an order that only the index over (first, second, id) can serve.

    With `=` in place of BETWEEN, the order would be by id alone, and the planner may walk the whole table by its ids
    whenever its statistics say that what is looked for must come soon; right after an intake they say what they like.

    Args:
        first: A column.
        second: A column.
        start: The id after which to begin, as SQL.
        values: What the columns have to be, as SQL.
    """
    one, two = values
    return f"{first} = {one} AND {second} BETWEEN {two} AND {two} AND id > {start} ORDER BY {second}, id"


def backwards(order: str, start: str) -> str:
    """Return what `in_index_order` returned, going the other way from before an id."""
    forth = f"AND id > {start} ORDER BY "
    condition, _, second = order.partition(forth)
    return f"{condition}AND id < {start} ORDER BY {second.replace(', id', ' DESC, id DESC')}"
