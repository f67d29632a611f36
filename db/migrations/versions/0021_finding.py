"""What photos and batches are found by, and who made a batch"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# What is in Redis or running is looked through; so a photo on its way comes into these twice, not at every move.
NOT_LIVE = sa.text("state || '' NOT IN ('queued', 'running')")
BEGINS = {"postgresql_ops": {"begins": "text_pattern_ops"}}


def _begins(what: str, longest: int) -> sa.ColumnElement[str]:
    return sa.func.lower(sa.func.left(sa.text(what), longest)).label("begins")


INDEXES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "ix_jobs_find_sku": (
        "jobs",
        [_begins("sku", 200), "id"],
        {**BEGINS, "postgresql_where": sa.text("sku IS NOT NULL AND state || '' NOT IN ('queued', 'running')")},
    ),
    "ix_jobs_find_name": (
        "jobs",
        [_begins("split_part(name, '/', -1)", 200), "id"],
        {**BEGINS, "postgresql_where": NOT_LIVE},
    ),
    "ix_jobs_find_url": ("jobs", [_begins("source_uri", 300), "id"], {**BEGINS, "postgresql_where": NOT_LIVE}),
    "ix_batches_find_name": ("batches", [_begins("name", 200), "id"], BEGINS),
    # Of a few bytes for each quarter of a megabyte, so that an answer still changes no index.
    "ix_attempts_find_request": (
        "attempts",
        ["request_id"],
        {
            "postgresql_ops": {"request_id": "text_bloom_ops"},
            "postgresql_using": "brin",
            "postgresql_with": {"pages_per_range": 32, "autosummarize": "on"},
        },
    ),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.execute("ALTER TABLE batches ADD COLUMN IF NOT EXISTS made_by text")
    with op.get_context().autocommit_block():
        for name, (table, columns, options) in INDEXES.items():
            _make(name, table, columns, options)


def downgrade() -> None:
    for name, (table, _, _) in INDEXES.items():
        op.drop_index(name, table_name=table)
    op.drop_column("batches", "made_by")


def _make(name: str, table: str, columns: list[Any], options: dict[str, Any]) -> None:
    """Make an index beside others' writes; what a run that was stopped left of it is made anew."""
    half = sa.text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    if op.get_bind().execute(half, {"name": name}).scalar() is not None:
        op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
    op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=True, **options)
