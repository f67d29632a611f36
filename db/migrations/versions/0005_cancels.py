"""A cancel has a time, so that what is requeued after it runs and the rest does not"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batches", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("batches", sa.Column("is_clearing", sa.Boolean(), server_default="false", nullable=False))
    # Whatever is in a cancelled batch now was there before it was cancelled.
    op.execute("UPDATE batches SET cancelled_at = clock_timestamp(), is_clearing = true WHERE state = 'cancelled'")
    # A transaction that waited for a cancel began before it, and adds its jobs after it.
    for column in ("created_at", "available_at"):
        op.alter_column("jobs", column, server_default=sa.text("clock_timestamp()"))


def downgrade() -> None:
    for column in ("created_at", "available_at"):
        op.alter_column("jobs", column, server_default=sa.text("now()"))
    op.drop_column("batches", "is_clearing")
    op.drop_column("batches", "cancelled_at")
