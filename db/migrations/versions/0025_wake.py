"""Who has nothing to dispatch is woken by a batch that has"""

from alembic import op

from db.migrate import alter
from db.wake import CHANNEL

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

WAKE = f"""
CREATE OR REPLACE FUNCTION wake_dispatcher() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('{CHANNEL}', '');
    RETURN NULL;
END $$
"""
TRIGGERS = {
    "wake_for_new": "AFTER INSERT ON batches FOR EACH ROW WHEN (NEW.state = 'active')",
    "wake_for_old": (
        "AFTER UPDATE OF state ON batches FOR EACH ROW WHEN (NEW.state = 'active' AND OLD.state <> 'active')"
    ),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(WAKE)
        for name, when in TRIGGERS.items():
            alter(op.get_bind(), f"CREATE OR REPLACE TRIGGER {name} {when} EXECUTE FUNCTION wake_dispatcher()")


def downgrade() -> None:
    for name in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON batches")
    op.execute("DROP FUNCTION wake_dispatcher()")
