"""How often in a row the worker that had a photo in hand fell silent"""

from alembic import op

from db.migrations.making import add_columns

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        add_columns("jobs", "lost_in_row smallint NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.drop_column("jobs", "lost_in_row")
