"""That a database went back to a backup, and which calls it did not know; a name for this installation"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restores",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("noticed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("newest_attempt", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("unknown", sa.BigInteger(), nullable=False),
    )
    name = sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), primary_key=True)
    op.create_table("installations", name)
    op.execute("INSERT INTO installations DEFAULT VALUES")


def downgrade() -> None:
    op.drop_table("installations")
    op.drop_table("restores")
