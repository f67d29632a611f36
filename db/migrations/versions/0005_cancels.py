"""A cancel has a time, and what is to go round again is kept until it did"""

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
    op.add_column("seen_photos", sa.Column("job_id", sa.BigInteger(), nullable=True))
    op.create_table(
        "requeues",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("after_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    op.drop_table("requeues")
    op.drop_column("seen_photos", "job_id")
    for column in ("created_at", "available_at"):
        op.alter_column("jobs", column, server_default=sa.text("now()"))
    op.drop_column("batches", "is_clearing")
    op.drop_column("batches", "cancelled_at")
