"""What is on photos is kept, and jobs know that it was nothing, that they are called anyhow, and what is wrong"""

import time

import sqlalchemy as sa
from alembic import op
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError

from db import functions
from db.statements import text

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TRIES = 120
PAUSE_SECONDS = 0.5
BARE = sa.text("is_bare")
COLUMNS = (
    "is_bare boolean NOT NULL DEFAULT false",
    "must_call boolean NOT NULL DEFAULT false",
    "proof jsonb",
)


def upgrade() -> None:
    functions.install(op.get_bind())
    op.create_table(
        "findings",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("found", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "version"),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        # Constants: no row is written for them.
        _run(f"ALTER TABLE jobs {', '.join(f'ADD COLUMN IF NOT EXISTS {column}' for column in COLUMNS)}")
        # What a run that was stopped left of it is no index.
        op.drop_index("ix_jobs_bare", table_name="jobs", postgresql_concurrently=True, if_exists=True)
        op.create_index("ix_jobs_bare", "jobs", ["batch_id", "id"], postgresql_where=BARE, postgresql_concurrently=True)


def _run(statement: str) -> None:
    """Run a statement that gets its lock within a second, or tries again: nobody waits behind it for long."""
    connection = op.get_bind()
    connection.execute(text("SET lock_timeout = '1s'"))
    for left in reversed(range(TRIES)):
        try:
            connection.execute(text(statement))
            break
        except OperationalError as error:
            if not (left and isinstance(error.orig, LockNotAvailable | DeadlockDetected)):
                raise
            time.sleep(PAUSE_SECONDS)
    connection.execute(text("RESET lock_timeout"))


def downgrade() -> None:
    op.drop_index("ix_jobs_bare", table_name="jobs")
    for column in COLUMNS:
        op.drop_column("jobs", column.split()[0])
    op.drop_table("findings")
