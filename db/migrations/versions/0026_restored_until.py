"""Up to when calls were looked at, when the database was found to have gone back to a backup"""

from alembic import op

from db.migrations.making import add_columns

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        add_columns("restores", "until timestamptz")


def downgrade() -> None:
    op.drop_column("restores", "until")
