"""What is made again is told of, the newest that was asked for wins, and a sweep says when it is through"""

from alembic import op

from db.migrate import alter
from db.migrations.making import add_columns

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

# Of the redos of a photo that came out well, the one that was asked for last.
FIND_REDONE = """
CREATE OR REPLACE FUNCTION find_redone(original bigint) RETURNS text LANGUAGE sql AS $$
    SELECT artifact_sha256 FROM jobs WHERE redo_of = original AND state = 'succeeded'
    ORDER BY redo_asked_at DESC NULLS LAST, id DESC LIMIT 1
$$
"""

# The original is locked first, whatever its state: who ends it at the same moment then sees this redo, or is seen.
TAKE_REDONE = """
CREATE OR REPLACE FUNCTION take_redone() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest text;
BEGIN
    PERFORM 1 FROM jobs WHERE id = NEW.redo_of FOR NO KEY UPDATE;
    newest := find_redone(NEW.redo_of);
    UPDATE jobs SET state = 'succeeded', code = '200', message = NULL, artifact_sha256 = newest, finished_at = now()
    WHERE id = NEW.redo_of AND (state IN ('held', 'dead') OR state = 'succeeded' AND artifact_sha256 <> newest);
    RETURN NULL;
END $$
"""

# One that was done again meanwhile ends with that. In the same write, so that it is counted and told of once.
END_REDONE = """
CREATE OR REPLACE FUNCTION end_redone() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest text := find_redone(NEW.id);
BEGIN
    IF newest IS NOT NULL THEN
        NEW.state := 'succeeded';
        NEW.code := '200';
        NEW.message := NULL;
        NEW.artifact_sha256 := newest;
    END IF;
    RETURN NEW;
END $$
"""

TRIGGERS = (
    "CREATE OR REPLACE TRIGGER take_redone AFTER UPDATE OF state, redo_asked_at ON jobs FOR EACH ROW "
    "WHEN (NEW.redo_of IS NOT NULL AND NEW.state = 'succeeded' "
    "AND (OLD.state, OLD.redo_asked_at) IS DISTINCT FROM (NEW.state, NEW.redo_asked_at)) "
    "EXECUTE FUNCTION take_redone()",
    "CREATE OR REPLACE TRIGGER end_redone BEFORE UPDATE OF state ON jobs FOR EACH ROW "
    "WHEN (NEW.redo_of IS NULL AND OLD.state IN ('pending', 'queued', 'running') "
    "AND NEW.state IN ('succeeded', 'held', 'dead')) EXECUTE FUNCTION end_redone()",
)

TAKE_REDONE_BEFORE = """
CREATE OR REPLACE FUNCTION take_redone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE jobs AS j SET state = 'succeeded', code = '200', message = NULL, artifact_sha256 = NEW.artifact_sha256,
        finished_at = now()
    FROM batches AS b WHERE j.id = NEW.redo_of AND b.id = j.batch_id AND j.state IN ('succeeded', 'held', 'dead');
    RETURN NULL;
END $$
"""

REDONE_BEFORE = (
    "CREATE TRIGGER take_redone AFTER UPDATE OF state ON jobs FOR EACH ROW "
    "WHEN (NEW.redo_of IS NOT NULL AND NEW.state = 'succeeded' AND OLD.state <> 'succeeded') "
    "EXECUTE FUNCTION take_redone()"
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        add_columns("jobs", "redo_asked_at timestamptz")
        add_columns("swept_objects", "ended_at timestamptz")
        for function in (TELL_OF_JOBS, FIND_REDONE, TAKE_REDONE, END_REDONE):
            op.execute(function)
        for trigger in TRIGGERS:
            alter(op.get_bind(), trigger)


def downgrade() -> None:
    op.execute("DROP TRIGGER end_redone ON jobs")
    op.execute("DROP TRIGGER take_redone ON jobs")
    op.execute(REDONE_BEFORE)
    op.execute("DROP FUNCTION end_redone()")
    op.execute(TAKE_REDONE_BEFORE)
    op.execute("DROP FUNCTION find_redone(bigint)")
    op.execute(TELL_OF_JOBS_BEFORE)
    op.drop_column("jobs", "redo_asked_at")
    op.drop_column("swept_objects", "ended_at")
