"""A cancel has a time, and what is to go round again is kept until it did"""

import sqlalchemy as sa
from alembic import op

from db.migrate import alter
from db.migrations.making import add_columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CANCELLED_BEFORE = (
    "UPDATE batches SET cancelled_at = clock_timestamp(), is_clearing = true "
    "WHERE state = 'cancelled' AND cancelled_at IS NULL"
)
DEFAULTS = (
    "ALTER TABLE jobs ALTER COLUMN created_at SET DEFAULT clock_timestamp(), "
    "ALTER COLUMN available_at SET DEFAULT clock_timestamp()"
)


def upgrade() -> None:
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
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        add_columns("batches", "cancelled_at timestamptz", "is_clearing boolean NOT NULL DEFAULT false")
        # Whatever is in a cancelled batch now was there before it was cancelled.
        alter(op.get_bind(), CANCELLED_BEFORE, table="batches")
        # A transaction that waited for a cancel began before it, and adds its jobs after it.
        alter(op.get_bind(), DEFAULTS)
        add_columns("seen_photos", "job_id bigint")


def downgrade() -> None:
    op.drop_table("requeues")
    op.drop_column("seen_photos", "job_id")
    for column in ("created_at", "available_at"):
        op.alter_column("jobs", column, server_default=sa.text("now()"))
    op.drop_column("batches", "is_clearing")
    op.drop_column("batches", "cancelled_at")
