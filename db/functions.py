"""What a worker does to many jobs at once and in several steps, as functions of the database.

Each is one round trip and one transaction. In a function every statement sees what was committed before it began, so
that what it reads is read under the locks that it took before; a single statement with the same steps would read what
was there before it waited. What needs no lock before it reads is plain SQL beside its neighbours.

`install` brings a database to the texts in this file; a migration calls it whenever one of them changes. A function
whose arguments or columns change gets a new name, as workers of the version before go on calling the old one.
"""

from sqlalchemy import Connection

from db.cancels import CALLED_OFF
from db.live import COLLECTED
from db.locks import Space
from db.plans import row

# As many as there are ids, in their order, and nothing for one that is gone. Where rows lie is read in a statement of
# its own, before the one that writes them: a statement that had to wait does not see what it waited for.
_LOCK_JOBS = f"""
    places := ARRAY(SELECT ({row("ctid", "jobs", "n.id")} FOR NO KEY UPDATE) FROM unnest(ids) AS n (id));
"""  # noqa: S608
_LOCK_ATTEMPTS = f"""
    places := ARRAY(SELECT ({row("ctid", "attempts", "n.id")} FOR NO KEY UPDATE) FROM unnest(attempt_ids) AS n (id));
"""  # noqa: S608

# A batch that is getting its first limit keeps no other one's calls waiting: those of its own go alone.
_HOLD_LIMITS = f"""
    free := ARRAY(
        SELECT id FROM (SELECT DISTINCT id FROM unnest(batch_ids) AS id OFFSET 0) AS each
        WHERE pg_try_advisory_xact_lock_shared(hashtextextended(CAST(id AS text), {Space.LIMITS.value}))
    );
"""  # noqa: S608

_OWN = "id, batch_id, requeues, requeued_at"

NOTE_SOURCES = f"""
CREATE OR REPLACE FUNCTION note_sources(
    ids bigint[], tokens uuid[], sha256s text[], keys text[], sizes bigint[], widths bigint[], heights bigint[],
    forces boolean[]
) RETURNS TABLE (
    job_id bigint, twin_id bigint, twin_state text, twin_code text, twin_message text, twin_artifact text,
    twin_output_url text, is_output boolean, is_redone boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    places tid[];
BEGIN
    PERFORM pg_advisory_xact_lock(number) FROM (
        SELECT DISTINCT hashtextextended(key, {Space.CONTENT.value}) AS number FROM unnest(keys) AS key ORDER BY 1
    ) AS numbers;
    {_LOCK_JOBS}
    INSERT INTO job_notes AS noted
        (job_id, batch_id, source_sha256, content_key, source_bytes, width, height, output_url)
    SELECT j.id, j.batch_id, n.sha256, n.key, n.size, n.width, n.height,
        -- The output of what the source was before, or of whom another was asked, must never pass for that of now.
        CASE WHEN j.content_key = n.key THEN j.output_url END
    FROM unnest(places, tokens, sha256s, keys, sizes, widths, heights)
        AS n (place, token, sha256, key, size, width, height)
    CROSS JOIN LATERAL (SELECT * FROM jobs WHERE ctid = n.place OFFSET 0) AS j
    WHERE j.lease_token = n.token
    ON CONFLICT (job_id) DO UPDATE SET source_sha256 = excluded.source_sha256, content_key = excluded.content_key,
        source_bytes = excluded.source_bytes, width = excluded.width, height = excluded.height,
        output_url = CASE WHEN noted.content_key = excluded.content_key THEN noted.output_url END;
    -- Of an index for a state, or to hash what may exist, the whole would be read where the planner is wrong.
    RETURN QUERY
    SELECT own.id, t.id, t.state, t.code, t.message, t.artifact_sha256, t.output_url,
        (SELECT true FROM jobs AS o WHERE o.artifact_sha256 = n.sha256 AND o.state || '' = 'succeeded' LIMIT 1) IS TRUE,
        (SELECT true FROM jobs AS r WHERE r.redo_of = own.id AND r.state || '' = 'succeeded' LIMIT 1) IS TRUE
    FROM unnest(ids, tokens, sha256s, keys, forces) AS n (id, token, sha256, key, force)
    CROSS JOIN LATERAL (
        {row(_OWN, "jobs", "n.id", "lease_token = n.token")}
    ) AS own
    LEFT JOIN LATERAL (
        SELECT * FROM (
            SELECT j.id, j.state, j.code, j.message, j.artifact_sha256, j.output_url
            FROM jobs AS j
            WHERE j.content_key = n.key AND j.id <> n.id AND (NOT n.force OR j.batch_id = own.batch_id)
            AND j.state || '' <> 'running' AND (
                -- What was not called as nothing was found on it says nothing to a job that is called.
                (j.state = 'succeeded' AND j.code || '' <> 'nothing_to_remove')
                OR j.output_url IS NOT NULL
                OR (
                    -- What another came to since this one was asked for again holds for it, too: of many that were
                    -- asked for again together, one is called for.
                    (own.requeues = 0 OR j.finished_at > own.requeued_at) AND (
                        j.state = 'held' OR (
                            j.state = 'dead' AND (
                                j.code = 'rejected' OR (
                                    SELECT 1 FROM attempts AS a WHERE a.job_id = j.id AND a.code = j.code
                                    AND a.answer_class || '' = 'permanent'
                                    LIMIT 1
                                ) IS NOT NULL
                            )
                        )
                    )
                )
            )
            UNION ALL
            -- Only one that noted its source in this very run is waited for: of identical photos the first calls.
            SELECT w.job_id, 'running', NULL, NULL, NULL, NULL FROM job_notes AS w
            WHERE w.content_key = n.key AND w.job_id <> n.id AND (NOT n.force OR w.batch_id = own.batch_id)
        ) AS j
        ORDER BY j.state = 'succeeded' DESC, j.state = 'running' DESC, j.output_url IS NOT NULL DESC,
            j.state = 'held' DESC, j.id
        LIMIT 1
    ) AS t ON true;
END $$
"""  # noqa: S608

OPEN_CALLS = f"""
CREATE OR REPLACE FUNCTION open_calls(
    ids bigint[], tokens uuid[], batch_ids bigint[], workers text, accounts text, prices numeric,
    left_seconds double precision[]
) RETURNS TABLE (job_id bigint, attempt_id bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    free bigint[];
BEGIN
    {_HOLD_LIMITS}
    RETURN QUERY
    INSERT INTO attempts (job_id, batch_id, lease_token, worker, account, price, sent_at, spend)
    SELECT j.id, j.batch_id, j.lease_token, workers, accounts, prices, clock_timestamp(), 'maybe'
    FROM unnest(ids, tokens, left_seconds) AS n (id, token, seconds)
    -- One that somebody has locked, as for a rescue, is waited for alone.
    CROSS JOIN LATERAL ({row("*", "jobs", "n.id", "lease_token = n.token")} FOR NO KEY UPDATE SKIP LOCKED) AS j
    CROSS JOIN LATERAL ({row("*", "batches", "j.batch_id")}) AS b
    WHERE j.state = 'running' AND b.id = ANY(free) AND b.state = 'active' AND b.max_calls IS NULL AND b.max_cost IS NULL
        AND NOT {CALLED_OFF} AND j.lease_expires_at > now() + make_interval(secs => n.seconds)
        AND NOT EXISTS (SELECT 1 FROM circuits WHERE account = accounts AND is_open)
    RETURNING attempts.job_id, attempts.id;
END $$
"""  # noqa: S608

WITHDRAW_CALLS = f"""
CREATE OR REPLACE FUNCTION withdraw_calls(ids bigint[], batch_ids bigint[]) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE
    free bigint[];
BEGIN
    {_HOLD_LIMITS}
    RETURN QUERY
    DELETE FROM attempts AS a USING (
        SELECT f.place FROM unnest(ids) AS n (id)
        CROSS JOIN LATERAL ({row("ctid AS place, batch_id", "attempts", "n.id", "answered_at IS NULL")}) AS f
        CROSS JOIN LATERAL ({row("id, max_calls, max_cost", "batches", "f.batch_id")}) AS b
        WHERE b.id = ANY(free) AND b.max_calls IS NULL AND b.max_cost IS NULL
    ) AS unsent
    WHERE a.ctid = unsent.place AND a.answered_at IS NULL RETURNING a.id;
END $$
"""  # noqa: S608

NOTE_PAID = f"""
CREATE OR REPLACE FUNCTION note_paid(
    ids bigint[], tokens uuid[], attempt_ids bigint[], urls text[], classes text[], codes text[], messages text[],
    spends text[], statuses int[], request_ids text[], latencies double precision[], waits double precision[],
    sent bigint[], raws text[], accounts text
) RETURNS TABLE (job_id bigint, is_out boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    places tid[];
    noted bigint[];
BEGIN
    {_LOCK_JOBS}
    WITH done AS (
        INSERT INTO job_notes (job_id, batch_id, output_url)
        SELECT j.id, j.batch_id, n.url FROM unnest(places, tokens, urls) AS n (place, token, url)
        CROSS JOIN LATERAL (SELECT * FROM jobs WHERE ctid = n.place OFFSET 0) AS j WHERE j.lease_token = n.token
        ON CONFLICT (job_id) DO UPDATE SET output_url = excluded.output_url RETURNING job_id AS id
    ) SELECT coalesce(array_agg(id), '{{}}') FROM done INTO noted;
    {_LOCK_ATTEMPTS}
    UPDATE attempts AS a SET answered_at = clock_timestamp(), answer_class = n.answer_class, code = n.code,
        message = n.message, spend = n.spend, http_status = n.status, request_id = n.request_id,
        latency_seconds = n.latency, permit_wait_seconds = n.wait, bytes_sent = n.bytes, raw = n.raw,
        sent_at = clock_timestamp() - make_interval(secs => coalesce(n.latency, 0))
    FROM unnest(ids, places, classes, codes, messages, spends, statuses, request_ids, latencies, waits, sent, raws)
        AS n (id, place, answer_class, code, message, spend, status, request_id, latency, wait, bytes, raw)
    WHERE a.ctid = n.place AND a.answered_at IS NULL AND n.id = ANY(noted);
    RETURN QUERY SELECT id, EXISTS (SELECT 1 FROM circuits WHERE account = accounts AND is_open)
    FROM unnest(noted) AS id;
END $$
"""  # noqa: S608

SUCCEED_JOBS = f"""
CREATE OR REPLACE FUNCTION succeed_jobs(
    ids bigint[], tokens uuid[], attempt_ids bigint[], sha256s text[], uris text[], contents bytea[], sizes bigint[],
    formats text[], widths bigint[], heights bigint[], ratios double precision[], insides double precision[],
    outsides double precision[], received bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    added text[];
    ended bigint[];
    places tid[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(number) FROM (
        SELECT DISTINCT hashtextextended(uri, {Space.PLACE.value}) AS number FROM unnest(uris) AS uri
        WHERE NOT starts_with(uri, 'postgres:') ORDER BY 1
    ) AS numbers;
    WITH kept AS (
        INSERT INTO artifacts (sha256, uri, size_bytes, format, width, height)
        SELECT n.* FROM unnest(sha256s, uris, sizes, formats, widths, heights) AS n (sha256) ORDER BY n.sha256
        ON CONFLICT (sha256) DO NOTHING RETURNING sha256
    ) SELECT coalesce(array_agg(sha256), '{{}}') FROM kept INTO added;
    -- Whether a tombstone is from before the upload is asked alone, with one more round trip.
    PERFORM 1 FROM unnest(sha256s, uris) AS n (sha256, uri) JOIN swept_objects AS s ON s.uri = n.uri
    WHERE n.sha256 = ANY(added);
    IF FOUND THEN
        RAISE EXCEPTION 'an output may have been swept since it was uploaded';
    END IF;
    INSERT INTO artifact_bytes (sha256, data)
    SELECT n.sha256, n.content FROM unnest(sha256s, contents) AS n (sha256, content)
    WHERE n.content IS NOT NULL AND n.sha256 = ANY(added) ON CONFLICT (sha256) DO NOTHING;
    {_LOCK_JOBS}
    WITH done AS (
        UPDATE jobs AS j SET state = 'succeeded', code = '200', message = NULL, finished_at = now(),
            artifact_sha256 = n.sha256, changed_ratio = n.ratio, changed_inside = n.inside,
            changed_outside = n.outside, reused_from = NULL, attempts = j.attempts + 1,
            lease_token = NULL, lease_expires_at = NULL, output_url = {COLLECTED}
        FROM unnest(places, tokens, sha256s, ratios, insides, outsides)
            AS n (place, token, sha256, ratio, inside, outside)
        WHERE j.ctid = n.place AND j.lease_token = n.token AND j.state = 'running' RETURNING j.id
    ) SELECT coalesce(array_agg(id), '{{}}') FROM done INTO ended;
    -- Nothing is kept of the output of a job that is another's by now.
    IF cardinality(ended) < cardinality(ids) THEN
        RAISE EXCEPTION 'a lease was lost';
    END IF;
    {_LOCK_ATTEMPTS}
    -- The raw answer is kept only when something was wrong with it.
    UPDATE attempts AS a SET bytes_received = n.size, raw = NULL
    FROM unnest(places, received) AS n (place, size) WHERE a.ctid = n.place;
END $$
"""  # noqa: S608

FUNCTIONS = {
    "note_sources": NOTE_SOURCES,
    "open_calls": OPEN_CALLS,
    "withdraw_calls": WITHDRAW_CALLS,
    "note_paid": NOTE_PAID,
    "succeed_jobs": SUCCEED_JOBS,
}


def install(connection: Connection) -> None:
    """Make the functions what they are in this file."""
    for statement in FUNCTIONS.values():
        connection.exec_driver_sql(statement)
