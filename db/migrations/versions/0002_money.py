"""Budgets, prices, canaries, outages, and where an output changed"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batches", sa.Column("max_calls", sa.BigInteger(), nullable=True))
    op.add_column("batches", sa.Column("max_cost", sa.Numeric(20, 6), nullable=True))
    op.add_column("batches", sa.Column("calls_made", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("batches", sa.Column("cost_reserved", sa.Numeric(20, 6), server_default="0", nullable=False))
    op.add_column("batches", sa.Column("canary_state", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("changed_inside", sa.Float(), nullable=True))
    op.add_column("jobs", sa.Column("changed_outside", sa.Float(), nullable=True))
    op.add_column("jobs", sa.Column("is_canary", sa.Boolean(), server_default="false", nullable=False))
    op.create_index(
        "ix_jobs_canary",
        "jobs",
        ["batch_id", "state", "available_at", "id"],
        unique=False,
        postgresql_where=sa.text("is_canary"),
    )
    op.create_index(
        "ix_jobs_cleaned",
        "jobs",
        ["source_uri"],
        unique=False,
        postgresql_using="hash",
        postgresql_where=sa.text("state = 'succeeded'"),
    )
    op.add_column("attempts", sa.Column("account", sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("price", sa.Numeric(20, 6), nullable=True))
    op.create_index("ix_attempts_sent", "attempts", ["sent_at"], unique=False, postgresql_using="brin")
    op.add_column("circuits", sa.Column("failed_probes", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("circuits", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "daily_calls",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "day"),
    )


def downgrade() -> None:
    op.drop_table("daily_calls")
    op.drop_column("circuits", "closed_at")
    op.drop_column("circuits", "failed_probes")
    op.drop_index("ix_attempts_sent", table_name="attempts")
    op.drop_column("attempts", "price")
    op.drop_column("attempts", "account")
    op.drop_index(
        "ix_jobs_cleaned",
        table_name="jobs",
        postgresql_using="hash",
        postgresql_where=sa.text("state = 'succeeded'"),
    )
    op.drop_index("ix_jobs_canary", table_name="jobs", postgresql_where=sa.text("is_canary"))
    op.drop_column("jobs", "is_canary")
    op.drop_column("jobs", "changed_outside")
    op.drop_column("jobs", "changed_inside")
    op.drop_column("batches", "canary_state")
    op.drop_column("batches", "cost_reserved")
    op.drop_column("batches", "calls_made")
    op.drop_column("batches", "max_cost")
    op.drop_column("batches", "max_calls")
