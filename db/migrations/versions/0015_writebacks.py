"""Clean photos go back into shops

Beside what is new, three tables that are in use get something: all of it is done at once, within a second, or put off
until nobody is in the way.
"""

import logging
import time

import sqlalchemy as sa
from alembic import op
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)

LOCK_TIMEOUT = "1s"
TRIES = 120
PAUSE_SECONDS = 1.0

# Of a redo the original gets the output in a write of its own, which comes here as well.
NOTE_CLEAN = """
CREATE FUNCTION note_clean() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- What a person accepted may be taken back for some seconds.
    UPDATE writebacks AS w SET tries = 0, last_error = NULL, changed_at = now(),
        available_at = now() + CASE WHEN OLD.state = 'held' THEN interval '15 seconds' ELSE interval '0 seconds' END,
        state = CASE WHEN (SELECT c.writeback FROM connections AS c WHERE c.id = w.connection_id) = 'auto' THEN 'due'
            ELSE 'clean' END
    WHERE w.job_id = NEW.id AND w.sent_at IS NULL AND (w.state IN ('expected', 'written', 'skipped', 'failed')
        -- A person let another output go.
        OR (w.state = 'due' AND OLD.artifact_sha256 IS DISTINCT FROM NEW.artifact_sha256))
    AND w.artifact_sha256 IS DISTINCT FROM NEW.artifact_sha256;
    RETURN NULL;
END $$
"""

TRIGGER = (
    "CREATE TRIGGER note_clean AFTER UPDATE OF state ON jobs FOR EACH ROW "
    "WHEN (NEW.state = 'succeeded' "
    "AND (OLD.state, OLD.artifact_sha256) IS DISTINCT FROM (NEW.state, NEW.artifact_sha256)) "
    "EXECUTE FUNCTION note_clean()"
)


def upgrade() -> None:
    connection = op.get_bind()
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    for left in reversed(range(TRIES)):
        try:
            with connection.begin_nested():
                _upgrade()
            break
        except OperationalError as error:
            if not (left and isinstance(error.orig, LockNotAvailable | DeadlockDetected)):
                raise
            log.info("others hold what a migration needs; trying again")
            time.sleep(PAUSE_SECONDS)


def _upgrade() -> None:
    for column in (
        sa.Column("writeback", sa.Text(), server_default="off", nullable=False),
        sa.Column("sealed_token", sa.Text(), nullable=True),
        sa.Column("writing_paused", sa.Text(), nullable=True),
        sa.Column("api_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("api_calls", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("api_points", sa.BigInteger(), server_default="0", nullable=False),
    ):
        op.add_column("connections", column)
    op.create_check_constraint("ck_connections_writeback", "connections", "writeback IN ('off', 'ask', 'auto')")
    op.create_check_constraint("ck_connections_token", "connections", "writeback = 'off' OR sealed_token IS NOT NULL")
    op.create_table(
        "writebacks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("photo_url", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="expected", nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_sha256", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("original_sha256", sa.Text(), nullable=True),
        sa.Column("artifact_sha256", sa.Text(), nullable=True),
        sa.Column("written_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"]),
        sa.ForeignKeyConstraint(["original_sha256"], ["artifacts.sha256"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "key", "job_id"),
        sa.CheckConstraint(
            "state IN ('expected', 'clean', 'due', 'written', 'skipped', 'failed', 'restoring', 'restored')",
            name="ck_writebacks_state",
        ),
    )
    op.create_index("ix_writebacks_job", "writebacks", ["job_id"])
    op.create_index("ix_writebacks_state", "writebacks", ["connection_id", "state", "id"])
    op.create_index(
        "ix_writebacks_due",
        "writebacks",
        ["connection_id", "available_at", "id"],
        postgresql_where=sa.text("state IN ('due', 'restoring')"),
    )
    op.create_index(
        "ix_writebacks_written",
        "writebacks",
        ["connection_id", "written_key"],
        postgresql_where=sa.text("written_key IS NOT NULL"),
    )
    op.create_table(
        "shop_products",
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("writeback_id", sa.BigInteger(), nullable=False),
        sa.Column("heard", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["connection_id"], ["connections.id"]),
        sa.PrimaryKeyConstraint("connection_id", "product"),
    )
    op.execute(NOTE_CLEAN)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER note_clean ON jobs")
    op.execute("DROP FUNCTION note_clean()")
    op.drop_table("shop_products")
    op.drop_table("writebacks")
    op.drop_constraint("ck_connections_token", "connections")
    op.drop_constraint("ck_connections_writeback", "connections")
    for column in ("api_points", "api_calls", "api_after", "writing_paused", "sealed_token", "writeback"):
        op.drop_column("connections", column)
