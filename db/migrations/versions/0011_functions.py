"""What workers do to many jobs in one round trip"""

from alembic import op

from db import functions

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    functions.install(op.get_bind())


def downgrade() -> None:
    for name in functions.FUNCTIONS:
        op.execute(f"DROP FUNCTION IF EXISTS {name}")
