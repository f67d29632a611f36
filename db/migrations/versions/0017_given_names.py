"""What a source's server calls a photo whose URL tells no name"""

import sqlalchemy as sa
from alembic import op

from db.migrate import alter

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

GIVEN = sa.text("given_name IS NOT NULL")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # No row is written for it.
        alter(op.get_bind(), "ALTER TABLE jobs ADD COLUMN IF NOT EXISTS given_name text")
        # What a run that was stopped left of it is no index.
        op.drop_index("uq_jobs_given_name", table_name="jobs", postgresql_concurrently=True, if_exists=True)
        op.create_index(
            "uq_jobs_given_name",
            "jobs",
            ["batch_id", sa.text("lower(given_name)")],
            unique=True,
            postgresql_where=GIVEN,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("uq_jobs_given_name", table_name="jobs")
    op.drop_column("jobs", "given_name")
