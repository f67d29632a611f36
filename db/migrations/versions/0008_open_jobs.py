"""One index less on jobs: whether a batch has open jobs is kept count of"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('pending', 'queued', 'running')")


def upgrade() -> None:
    # With it there, a planner that believes that nothing is pending reads all that is, to find what runs.
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_jobs_open", table_name="jobs", postgresql_where=OPEN, postgresql_concurrently=True, if_exists=True
        )


def downgrade() -> None:
    op.create_index("ix_jobs_open", "jobs", ["batch_id"], postgresql_where=OPEN)
