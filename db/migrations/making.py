"""What migrations make and drop while others write; each belongs into an autocommit block."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from db.migrate import alter


def make_index(name: str, table: str, columns: list[Any], **options: Any) -> None:
    """Make an index beside others' writes; what a run that was stopped left of it is made anew.

    Args:
        name: Its name.
        table: Whose.
        columns: Names and expressions.
        options: As of Alembic's `create_index`.
    """
    half = sa.text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    if op.get_bind().execute(half, {"name": name}).scalar() is not None:
        drop_index(name, table)
    op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=True, **options)


def drop_index(name: str, table: str) -> None:
    """Drop an index beside others' reads and writes."""
    op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)


def add_columns(table: str, *columns: str) -> None:
    """Add columns at once, in a lock that nobody waits for longer than a moment.

    Args:
        table: To what.
        columns: As SQL; nullable ones, or with a default that is constant, so that no row is written.
    """
    alter(op.get_bind(), f"ALTER TABLE {table} {', '.join(f'ADD COLUMN IF NOT EXISTS {each}' for each in columns)}")


def add_constraint(table: str, name: str, rule: str, *, locked: str = "") -> None:
    """Add a constraint, unless it is there.

    Args:
        table: To a small one, or `NOT VALID`.
        name: Its name.
        rule: As SQL.
        locked: The table whose lock it needs besides, of a foreign key.
    """
    there = sa.text("SELECT 1 FROM pg_constraint WHERE conname = :name AND conrelid = to_regclass(:table)")
    if op.get_bind().execute(there, {"name": name, "table": table}).scalar() is None:
        alter(op.get_bind(), f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule}", table=locked or table)
