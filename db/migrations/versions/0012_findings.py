"""What is on photos is kept, and jobs know that it was nothing, that they are called anyhow, and what is wrong"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db import functions
from db.migrations.making import add_columns, make_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

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
        add_columns("jobs", *COLUMNS)
        make_index("ix_jobs_bare", "jobs", ["batch_id", "id"], postgresql_where=BARE)


def downgrade() -> None:
    op.drop_index("ix_jobs_bare", table_name="jobs")
    for column in COLUMNS:
        op.drop_column("jobs", column.split()[0])
    op.drop_table("findings")
