"""A database that went back to a backup: which calls it does not know, and holding the photos they were made for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection

from core.called import Called
from db import audit, locks
from db.locks import Space
from db.statements import text

CODE = "restored"
ACTOR = "cleanplate"
_ROUND = timedelta(seconds=10)
"""A backup holds what was committed when it began, and numbers that were given out until it ended."""
_TOLD = "noticed_at, since, calls, held, unknown"
_LONGEST_CALL = timedelta(hours=1)
"""From a call to its output being kept, and how far clocks are apart."""
KEPT = timedelta(days=30)
_WHY = (
    "It was called for after the backup was made that the database was restored from, so it may be paid for, and the "
    "output is not known here. Retry it to have it made, and paid for, once more."
)
OPEN = (
    "It was on its way when the backup was made that the database was restored from, so it may be paid for. Retry it "
    "to have it made, and paid for, once more."
)


@dataclass(frozen=True, slots=True)
class Restore:
    """What was noticed.

    Args:
        noticed_at: When.
        since: When the first call was made that the backup does not know.
        calls: How many there are.
        held: Photos that wait for a person on account of them.
        unknown: Calls for photos that the backup does not know, either.
    """

    noticed_at: datetime
    since: datetime
    calls: int
    held: int
    unknown: int

    @property
    def kept_until(self) -> datetime:
        """Until when what was kept in between is not swept."""
        return self.noticed_at + KEPT

    def may_have_lost(self, kept_at: datetime) -> bool:
        """Whether an output that was kept at a time may belong to a photo of which the backup knows nothing."""
        return self.since - _LONGEST_CALL <= kept_at <= self.noticed_at + _LONGEST_CALL


def home(connection: Connection) -> str:
    """Return the name of this installation, which is in its backups, too."""
    return str(connection.execute(text("SELECT replace(CAST(id AS text), '-', '') FROM installations")).scalar_one())


def newest_known(connection: Connection) -> int:
    """Return the highest number of a call that this database knows, or knows to be missing."""
    statement = text(
        "SELECT greatest((SELECT id FROM attempts ORDER BY id DESC LIMIT 1), "
        "(SELECT newest_attempt FROM restores ORDER BY id DESC LIMIT 1), 0)"
    )
    return int(connection.execute(statement).scalar_one())


def seconds_since_noticed(connection: Connection) -> float | None:
    """Return how long ago it was noticed last that the database went back to a backup; None when it never did."""
    statement = text(
        "SELECT CAST(extract(epoch FROM clock_timestamp() - noticed_at) AS double precision) FROM restores "
        "ORDER BY id DESC LIMIT 1"
    )
    return connection.execute(statement).scalar_one_or_none()


def find_missing(connection: Connection, called: Sequence[Called]) -> list[Called]:
    """Return those calls that this database has lost, out of what is remembered of calls."""
    newest = newest_known(connection)
    later = [each.at for each in called if each.attempt_id > newest]
    if not later:
        return []
    since = min(later) - _ROUND
    # Who looked a moment before has written down those that were to be seen then; the newest were not yet.
    looked_at = connection.execute(text("SELECT until FROM restores ORDER BY id DESC LIMIT 1")).scalar_one_or_none()
    asked = [each for each in called if each.at >= since and (looked_at is None or each.at > looked_at)]
    statement = text(
        "SELECT c.id FROM unnest(CAST(:ids AS bigint[]), CAST(:jobs AS bigint[])) AS c (id, job_id) "
        "WHERE EXISTS (SELECT 1 FROM attempts AS a WHERE a.id = c.id AND a.job_id = c.job_id)"
    )
    values = {"ids": [each.attempt_id for each in asked], "jobs": [each.job_id for each in asked]}
    known = set(connection.execute(statement, values).scalars())
    return [each for each in asked if each.attempt_id not in known]


def note(
    connection: Connection, called: Sequence[Called], *, price: Decimal, is_told: bool = False, actor: str = ACTOR
) -> Restore | None:
    """Write down which calls are missing, as ones that may be billed, and hold their photos; None when none are.

    Photos that were on their way when the backup was made are held as their leases run out (see `db.rescues`).

    Args:
        connection: An open transaction.
        called: What is remembered of calls, of all accounts.
        price: Of a call.
        is_told: Whether somebody says that it went back to a backup, though no call may be missing.
        actor: Who says or noticed so.
    """
    locks.hold(connection, Space.RESTORED, "")
    missing = find_missing(connection, called)
    if not missing and not is_told:
        return None
    jobs = _lock_jobs(connection, missing)
    known = [each for each in missing if each.job_id in jobs]
    _add_calls(connection, known, price)
    held = _hold(connection, sorted(jobs))
    _pass_over(connection, missing)
    unknown, until = len(missing) - len(known), max((each.at for each in called), default=None)
    return _keep(connection, missing, held=held, unknown=unknown, until=until, is_told=is_told, actor=actor)


def list_recent(connection: Connection) -> list[Restore]:
    """Return those of the last month, the newest first."""
    statement = text(
        f"SELECT {_TOLD} FROM restores WHERE noticed_at > now() - :kept ORDER BY id DESC"  # noqa: S608
    )
    return [Restore(*row) for row in connection.execute(statement, {"kept": KEPT})]


def count_undecided(connection: Connection) -> int:
    """Return how many photos wait for a person because the database went back to a backup."""
    statement = text(
        "SELECT count(*) FROM batches AS b CROSS JOIN LATERAL (SELECT 1 FROM jobs AS j WHERE j.batch_id = b.id "
        "AND j.code = :code AND j.code <> '200' AND j.state = 'held') AS held"
    )
    return int(connection.execute(statement, {"code": CODE}).scalar_one())


def _lock_jobs(connection: Connection, missing: Sequence[Called]) -> set[int]:
    """Lock the jobs of calls, unless a number was given to another photo since, with their batches before them."""
    # A photo that came in after a call is not the one that was called for.
    first = {each.job_id: each.at for each in reversed(missing)}
    values = {"ids": list(first), "ats": list(first.values())}
    batches = text(
        "SELECT b.id FROM batches AS b WHERE b.id = ANY(ARRAY(SELECT j.batch_id FROM jobs AS j "
        "WHERE j.id = ANY(:ids))) ORDER BY id FOR NO KEY UPDATE"
    )
    connection.execute(batches, {"ids": values["ids"]})
    statement = text(
        "SELECT j.id FROM unnest(CAST(:ids AS bigint[]), CAST(:ats AS timestamptz[])) AS c (id, at) "
        "JOIN jobs AS j ON j.id = c.id WHERE j.created_at <= c.at ORDER BY j.id FOR UPDATE OF j"
    )
    return set(connection.execute(statement, values).scalars())


def _add_calls(connection: Connection, called: Sequence[Called], price: Decimal) -> None:
    values = {
        "jobs": [each.job_id for each in called],
        "ats": [each.at for each in called],
        "accounts": [each.account for each in called],
        "price": price,
        "why": _WHY,
    }
    spent = text(
        "UPDATE batches AS b SET calls_made = calls_made + n, cost_reserved = cost_reserved + n * :price "
        "FROM (SELECT j.batch_id, count(*) AS n FROM unnest(CAST(:jobs AS bigint[])) AS c (id) "
        "JOIN jobs AS j ON j.id = c.id GROUP BY j.batch_id) AS t "
        "WHERE b.id = t.batch_id AND (b.max_calls IS NOT NULL OR b.max_cost IS NOT NULL)"
    )
    connection.execute(spent, values)
    add = text(
        "INSERT INTO attempts (job_id, batch_id, lease_token, worker, account, price, sent_at, message, spend) "
        "SELECT j.id, j.batch_id, gen_random_uuid(), '', c.account, :price, c.at, :why, 'maybe' "
        "FROM unnest(CAST(:jobs AS bigint[]), CAST(:ats AS timestamptz[]), CAST(:accounts AS text[])) "
        "AS c (id, at, account) JOIN jobs AS j ON j.id = c.id"
    )
    connection.execute(add, values)


def _hold(connection: Connection, job_ids: Sequence[int]) -> int:
    # Those that were added, and what was on its way in the backup and was called for again after it: triggers count a
    # call that is settled.
    lost = text(
        "UPDATE attempts SET answered_at = now(), answer_class = 'maybe_billed', code = :code, "
        "message = coalesce(message, :why) WHERE job_id = ANY(:ids) AND answered_at IS NULL"
    )
    hold = text(
        "UPDATE jobs SET state = 'held', code = :code, message = :why, attempts = attempts + 1, "
        "lease_token = NULL, lease_expires_at = NULL, worker = NULL, finished_at = now() "
        "WHERE id = ANY(:ids) AND state IN ('pending', 'running')"
    )
    held = connection.execute(hold, {"ids": list(job_ids), "code": CODE, "why": _WHY}).rowcount
    connection.execute(lost, {"ids": list(job_ids), "code": CODE, "why": OPEN})
    return held


def _pass_over(connection: Connection, missing: Sequence[Called]) -> None:
    """Give no number again that a call or a photo had: messages, traces and links still go by them."""
    statement = text(
        "SELECT setval(pg_get_serial_sequence('attempts', 'id'), greatest(nextval(pg_get_serial_sequence("
        "'attempts', 'id')), :attempt)), setval(pg_get_serial_sequence('jobs', 'id'), greatest(nextval("
        "pg_get_serial_sequence('jobs', 'id')), :job))"
    )
    newest = {
        "attempt": max((each.attempt_id for each in missing), default=0),
        "job": max((each.job_id for each in missing), default=0),
    }
    connection.execute(statement, newest)


def _keep(
    connection: Connection,
    missing: Sequence[Called],
    *,
    held: int,
    unknown: int,
    until: datetime | None,
    is_told: bool,
    actor: str,
) -> Restore:
    add = text(
        "INSERT INTO restores (since, until, newest_attempt, calls, held, unknown) "  # noqa: S608
        "VALUES (coalesce(CAST(:since AS timestamptz), now()), :until, :newest, :calls, :held, :unknown) "
        f"RETURNING {_TOLD}"
    )
    # What was called before it was noticed belongs to that.
    join = text(
        "UPDATE restores SET since = least(since, :since), until = :until, calls = calls + :calls, "  # noqa: S608
        "newest_attempt = greatest(newest_attempt, :newest), held = held + :held, unknown = unknown + :unknown "
        "WHERE id = (SELECT max(id) FROM restores) AND noticed_at >= CAST(:last AS timestamptz) "
        f"RETURNING {_TOLD}"
    )
    values = {
        "since": min((each.at for each in missing), default=None),
        "last": max((each.at for each in missing), default=None),
        "until": until,
        "newest": max((each.attempt_id for each in missing), default=0),
        "calls": len(missing),
        "held": held,
        "unknown": unknown,
    }
    joined = None if is_told else connection.execute(join, values).one_or_none()
    restore = Restore(*(joined or connection.execute(add, values).one()))
    detail = f"{restore.calls} calls since {restore.since:%Y-%m-%d %H:%M:%S} UTC, {held} photos held, {unknown} unknown"
    audit.note(connection, actor, "restored", "the database", detail)
    return restore
