"""Catalogues that came as bytes are kept with their batches"""

import sqlalchemy as sa
from alembic import op

from db.migrations.making import add_constraint

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "catalogues",
        sa.Column("batch_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        if_not_exists=True,
    )
    # Unpacked, so that a part of it is read without the rest.
    op.execute("ALTER TABLE catalogues ALTER COLUMN data SET STORAGE EXTERNAL")
    with op.get_context().autocommit_block():
        rule = "FOREIGN KEY (batch_id) REFERENCES batches (id) ON DELETE CASCADE"
        add_constraint("catalogues", "catalogues_batch_id_fkey", rule, locked="batches")


def downgrade() -> None:
    op.drop_table("catalogues")
