"""Clean photos go back into shops"""

import sqlalchemy as sa
from alembic import op

from db.migrate import alter
from db.migrations.making import add_columns, add_constraint

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Of a redo the original gets the output in a write of its own, which comes here as well.
NOTE_CLEAN = """
CREATE OR REPLACE FUNCTION note_clean() RETURNS trigger LANGUAGE plpgsql AS $$
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
    "CREATE OR REPLACE TRIGGER note_clean AFTER UPDATE OF state ON jobs FOR EACH ROW "
    "WHEN (NEW.state = 'succeeded' "
    "AND (OLD.state, OLD.artifact_sha256) IS DISTINCT FROM (NEW.state, NEW.artifact_sha256)) "
    "EXECUTE FUNCTION note_clean()"
)


def upgrade() -> None:
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
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "key", "job_id"),
        sa.CheckConstraint(
            "state IN ('expected', 'clean', 'due', 'written', 'skipped', 'failed', 'restoring', 'restored')",
            name="ck_writebacks_state",
        ),
        if_not_exists=True,
    )
    op.create_index("ix_writebacks_job", "writebacks", ["job_id"], if_not_exists=True)
    op.create_index("ix_writebacks_state", "writebacks", ["connection_id", "state", "id"], if_not_exists=True)
    op.create_index(
        "ix_writebacks_due",
        "writebacks",
        ["connection_id", "available_at", "id"],
        postgresql_where=sa.text("state IN ('due', 'restoring')"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_writebacks_written",
        "writebacks",
        ["connection_id", "written_key"],
        postgresql_where=sa.text("written_key IS NOT NULL"),
        if_not_exists=True,
    )
    op.create_table(
        "shop_products",
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("writeback_id", sa.BigInteger(), nullable=False),
        sa.Column("heard", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("connection_id", "product"),
        if_not_exists=True,
    )
    with op.get_context().autocommit_block():
        add_columns(
            "connections",
            "writeback text NOT NULL DEFAULT 'off'",
            "sealed_token text",
            "writing_paused text",
            "api_after timestamptz NOT NULL DEFAULT now()",
            "api_calls bigint NOT NULL DEFAULT 0",
            "api_points bigint NOT NULL DEFAULT 0",
        )
        add_constraint("connections", "ck_connections_writeback", "CHECK (writeback IN ('off', 'ask', 'auto'))")
        add_constraint("connections", "ck_connections_token", "CHECK (writeback = 'off' OR sealed_token IS NOT NULL)")
        # Each waits for one table alone.
        for table in ("writebacks", "shop_products"):
            rule = "FOREIGN KEY (connection_id) REFERENCES connections (id)"
            add_constraint(table, f"{table}_connection_id_fkey", rule, locked="connections")
        rule = "FOREIGN KEY (original_sha256) REFERENCES artifacts (sha256)"
        add_constraint("writebacks", "writebacks_original_sha256_fkey", rule, locked="artifacts")
        op.execute(NOTE_CLEAN)
        alter(op.get_bind(), TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER note_clean ON jobs")
    op.execute("DROP FUNCTION note_clean()")
    op.drop_table("shop_products")
    op.drop_table("writebacks")
    op.drop_constraint("ck_connections_token", "connections")
    op.drop_constraint("ck_connections_writeback", "connections")
    for column in ("api_points", "api_calls", "api_after", "writing_paused", "sealed_token", "writeback"):
        op.drop_column("connections", column)
