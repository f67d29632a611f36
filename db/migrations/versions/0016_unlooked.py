"""Whether photos of a batch were called for that nobody could look at before"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.add_column("batches", sa.Column("has_unlooked", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("batches", "has_unlooked")
