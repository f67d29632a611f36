"""Alembic's entry: migrations run on the connection `db.migrate` hands over, each in a transaction of its own."""

from alembic import context

from db.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # So that one can commit what it has done, and keep no lock for the next.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
