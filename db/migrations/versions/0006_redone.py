"""What is made again is told of"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TELL_OF_JOBS = """
CREATE OR REPLACE FUNCTION tell_of_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO callbacks (batch_id, job_id, event)
    SELECT w.batch_id, w.id, 'job.' || w.state FROM old_rows AS o JOIN new_rows AS w ON w.id = o.id
    JOIN batches AS b ON b.id = w.batch_id
    WHERE b.callback_url IS NOT NULL AND {moved} AND w.state IN ('succeeded', 'dead', 'held');
    RETURN NULL;
END $$
"""
TELL_OF_JOBS = _TELL_OF_JOBS.format(moved="(o.state, o.artifact_sha256) IS DISTINCT FROM (w.state, w.artifact_sha256)")
TELL_OF_JOBS_BEFORE = _TELL_OF_JOBS.format(moved="o.state <> w.state")


def upgrade() -> None:
    op.execute(TELL_OF_JOBS)


def downgrade() -> None:
    op.execute(TELL_OF_JOBS_BEFORE)
