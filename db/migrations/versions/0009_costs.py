"""Costs are summed up anew: calls that were settled while they first were may be missing"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SUM = """
INSERT INTO batch_counts (batch_id, what, n)
SELECT batch_id, 'cost:' || CAST(sent_at AT TIME ZONE 'UTC' AS date), sum(CAST(price * 1000000 AS bigint))
FROM attempts WHERE answered_at IS NOT NULL AND sent_at IS NOT NULL AND spend <> 'none' AND price > 0 GROUP BY 1, 2
"""


def upgrade() -> None:
    # Nobody else changes a cost. Whoever ends a job has written changes of other counts before it comes to its attempt,
    # so a lock on those would be waited for in a circle; who adds changes up meanwhile waits for the rows deleted here,
    # or is waited for.
    op.execute("LOCK TABLE attempts IN SHARE ROW EXCLUSIVE MODE")
    op.execute("DELETE FROM batch_count_changes WHERE what LIKE 'cost:%'")
    op.execute("DELETE FROM batch_counts WHERE what LIKE 'cost:%'")
    op.execute(SUM)


def downgrade() -> None:
    pass
