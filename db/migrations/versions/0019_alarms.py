"""Since when a batch is paused, and which alarms somebody knows of"""

import sqlalchemy as sa
from alembic import op

from db.migrate import alter
from db.migrations.making import add_columns

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# Whoever pauses a batch, in whatever version: the time is the database's.
NOTE_PAUSE = """
CREATE OR REPLACE FUNCTION note_pause() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'paused' THEN
        NEW.paused_at := NULL;
    ELSIF (OLD.state, OLD.pause_reason) IS DISTINCT FROM (NEW.state, NEW.pause_reason) THEN
        NEW.paused_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "acknowledgements",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("covers", sa.DateTime(timezone=True)),
        sa.Column("weight", sa.Double(), nullable=False),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        add_columns("batches", "paused_at timestamptz")
        op.execute(NOTE_PAUSE)
        alter(
            op.get_bind(),
            "CREATE OR REPLACE TRIGGER note_pause BEFORE UPDATE OF state, pause_reason ON batches "
            "FOR EACH ROW EXECUTE FUNCTION note_pause()",
        )


def downgrade() -> None:
    op.execute("DROP TRIGGER note_pause ON batches")
    op.execute("DROP FUNCTION note_pause()")
    op.drop_column("batches", "paused_at")
    op.drop_table("acknowledgements")
