"""Whether photos of a batch were called for that nobody could look at before"""

from alembic import op

from db.migrations.making import add_columns

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        add_columns("batches", "has_unlooked boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    op.drop_column("batches", "has_unlooked")
