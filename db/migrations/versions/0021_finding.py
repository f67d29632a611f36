"""What photos and batches are found by, and who made a batch"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from db.migrations.making import add_columns, make_index

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
    with op.get_context().autocommit_block():
        add_columns("batches", "made_by text")
        for name, (table, columns, options) in INDEXES.items():
            make_index(name, table, columns, **options)


def downgrade() -> None:
    for name, (table, _, _) in INDEXES.items():
        op.drop_index(name, table_name=table)
    op.drop_column("batches", "made_by")
