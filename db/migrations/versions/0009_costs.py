"""Costs are summed up anew: calls that were settled while they first were may be missing"""

from alembic import op

from db.migrate import begin_beside

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FORGET = (
    "DELETE FROM batch_count_changes WHERE starts_with(what, 'cost:')",
    "DELETE FROM batch_counts WHERE starts_with(what, 'cost:')",
)
SUM = """
INSERT INTO batch_count_changes (batch_id, what, n)
SELECT batch_id, 'cost:' || CAST(sent_at AT TIME ZONE 'UTC' AS date), sum(CAST(price * 1000000 AS bigint))
FROM attempts WHERE answered_at IS NOT NULL AND sent_at IS NOT NULL AND spend <> 'none' AND price > 0 GROUP BY 1, 2
"""


def upgrade() -> None:
    # Nobody else changes a cost. Whoever ends a job has written changes of other counts before it comes to its attempt,
    # so a lock on those would be waited for in a circle; who adds changes up meanwhile waits for the rows deleted here,
    # or is waited for.
    with op.get_context().autocommit_block():
        begin_beside(op.get_bind(), locked="attempts", changes=FORGET, past=(SUM,))


def downgrade() -> None:
    pass
