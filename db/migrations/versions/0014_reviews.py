"""Who let a batch go on past its canary, and samples by which people sign batches off"""

from alembic import op

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.execute("ALTER TABLE batches ADD COLUMN IF NOT EXISTS canary_overridden_by text")


def downgrade() -> None:
    op.execute("ALTER TABLE batches DROP COLUMN canary_overridden_by")
