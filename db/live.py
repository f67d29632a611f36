"""What is in Redis or running, never more than the window, and how statements reach it.

A job's own row is written when a worker takes it and when its run has ended, and not in between: that it is queued, and
what its run finds out, stands in tables of a few rows (`queued_jobs`, `job_notes`) until then. Triggers on `jobs` take
a job out of the queue with its state, and what was noted into its row; whoever writes these tables has locked the job.
"""

RUNNING = "(SELECT * FROM jobs WHERE lease_token IS NOT NULL ORDER BY batch_id, lease_token OFFSET 0)"
"""As SQL, jobs that run, which is as long as they have a lease: no more than the window.

Only their own index has this order, so that no other will do for a planner that takes all jobs for few.
"""

IS_QUEUED = "((SELECT q.job_id FROM queued_jobs AS q WHERE q.job_id = j.id) IS NOT NULL)"
"""As SQL, whether a job `j` is in Redis; its row says `pending`, as it is as good as waiting until a worker has it."""

STATE = f"(CASE WHEN j.state = 'pending' AND {IS_QUEUED} THEN 'queued' ELSE j.state END)"
"""As SQL, the state of a job `j` as people see it."""

LINK = "(CASE WHEN w.job_id IS NULL THEN j.output_url ELSE w.output_url END)"
"""As SQL, the link of a paid output of a job `j` of which `w` is noted, if anything is: it may run."""

CONTENT_KEY = "coalesce(w.content_key, j.content_key)"
"""As SQL, its content key."""

COLLECTED = "''"
"""As SQL, what whoever ends a run gives as the link of its paid output when that is fetched, or leads nowhere.

Otherwise the trigger keeps the link that was noted.
"""


def running_of(batch: str) -> str:
    """Return, as SQL, those jobs of a batch that run; `batch` is its id, as SQL."""
    return (
        f"(SELECT * FROM jobs WHERE batch_id BETWEEN {batch} AND {batch} AND lease_token IS NOT NULL "  # noqa: S608
        "ORDER BY batch_id, lease_token OFFSET 0)"
    )


def queued_of(batch: str) -> str:
    """Return, as SQL, which of a batch's jobs are in Redis; `batch` is its id, as SQL."""
    return (
        f"(SELECT * FROM queued_jobs WHERE batch_id BETWEEN {batch} AND {batch} "  # noqa: S608
        "ORDER BY batch_id, job_id OFFSET 0)"
    )
