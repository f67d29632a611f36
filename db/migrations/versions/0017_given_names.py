"""What a source's server calls a photo whose URL tells no name"""

import sqlalchemy as sa
from alembic import op

from db.migrations.making import add_columns, make_index

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

GIVEN = sa.text("given_name IS NOT NULL")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # No row is written for it.
        add_columns("jobs", "given_name text")
        make_index(
            "uq_jobs_given_name",
            "jobs",
            ["batch_id", sa.text("lower(given_name)")],
            unique=True,
            postgresql_where=GIVEN,
        )


def downgrade() -> None:
    op.drop_index("uq_jobs_given_name", table_name="jobs")
    op.drop_column("jobs", "given_name")
