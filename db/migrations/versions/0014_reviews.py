"""Who let a batch go on past its canary, decisions that can be taken back for a moment, and samples of batches"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from db.migrations.making import add_columns

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), primary_key=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_decisions_decided_at", "decisions", ["decided_at"], if_not_exists=True)
    op.create_table(
        "samples",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("population", sa.BigInteger(), nullable=False),
        sa.Column("job_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("drawn_by", sa.Text(), nullable=False),
        sa.Column("drawn_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("bad_ids", postgresql.ARRAY(sa.BigInteger())),
        sa.Column("confidence", sa.Double()),
        sa.Column("most_bad", sa.Double()),
        sa.Column("signed_by", sa.Text()),
        sa.Column("signed_at", sa.DateTime(timezone=True)),
        if_not_exists=True,
    )
    op.create_index("ix_samples_batch", "samples", ["batch_id", "id"], if_not_exists=True)
    with op.get_context().autocommit_block():
        add_columns("batches", "canary_overridden_by text")


def downgrade() -> None:
    op.drop_table("samples")
    op.drop_table("decisions")
    op.execute("ALTER TABLE batches DROP COLUMN canary_overridden_by")
