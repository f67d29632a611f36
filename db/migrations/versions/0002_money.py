"""Budgets, prices, canaries, outages, and where an output changed"""

import sqlalchemy as sa
from alembic import op

from db.migrations.making import add_columns, make_index

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        add_columns(
            "batches",
            "max_calls bigint",
            "max_cost numeric(20, 6)",
            "calls_made bigint NOT NULL DEFAULT 0",
            "cost_reserved numeric(20, 6) NOT NULL DEFAULT 0",
            "canary_state text",
        )
        add_columns(
            "jobs",
            "changed_inside double precision",
            "changed_outside double precision",
            "is_canary boolean NOT NULL DEFAULT false",
        )
        add_columns("attempts", "account text", "price numeric(20, 6)")
        add_columns("circuits", "failed_probes bigint NOT NULL DEFAULT 0", "closed_at timestamptz")
        make_index(
            "ix_jobs_canary",
            "jobs",
            ["batch_id", "state", "available_at", "id"],
            postgresql_where=sa.text("is_canary"),
        )
        make_index(
            "ix_jobs_cleaned",
            "jobs",
            ["source_uri"],
            postgresql_using="hash",
            postgresql_where=sa.text("state = 'succeeded'"),
        )
        make_index("ix_attempts_sent", "attempts", ["sent_at"], postgresql_using="brin")
        op.create_table(
            "daily_calls",
            sa.Column("account", sa.Text(), nullable=False),
            sa.Column("day", sa.Date(), nullable=False),
            sa.Column("calls", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("account", "day"),
            if_not_exists=True,
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
