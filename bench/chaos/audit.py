"""What has to hold when it is over, by the sandbox's own count; each promise that is broken is one line."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, text

from bench.chaos.rig import RATE, Rig
from bench.chaos.storm import Seen, calls_for
from core.queues import HELD_PREFIX, KEY_PREFIX
from db import restores

UNEXPLAINED_SHARE = 0.02
"""Of all calls, so many may be refused without a blow near: this machine holds up some by itself."""
MAY_DIE_OF = {"1002", "output_http_404", "output_not_image", "output_missing"}
"""What is asked two or three times only: for some photos it is the answer each time."""
SETTLE_SECONDS = 60.0
"""For so long after the last job batches may take to be finished, and Redis to forget what was taken by whom."""

_ATTEMPTS = text(
    "SELECT j.source_sha256 AS sha256, count(*) FILTER (WHERE a.sent_at IS NOT NULL AND "
    "a.answer_class <> 'throttled') AS calls, "
    # Paid for, and of no use: lost on the way, or its output was gone, no picture, or not named.
    "count(*) FILTER (WHERE a.spend = 'maybe' OR a.raw IS NOT NULL) AS wasted "
    "FROM attempts AS a JOIN jobs AS j ON j.id = a.job_id GROUP BY 1"
)
_TOTALS = text(
    "SELECT count(*) FILTER (WHERE sent_at IS NOT NULL) AS calls, count(*) FILTER (WHERE spend = 'maybe') AS maybe, "
    "count(*) FILTER (WHERE answered_at IS NULL) AS open FROM attempts"
)
_MAYBE = text("SELECT code, count(*) AS n FROM attempts WHERE spend = 'maybe' GROUP BY 1")
_STATES = text("SELECT state, code, count(*) AS n FROM jobs GROUP BY 1, 2")
_LEASES = text("SELECT count(*) FROM jobs WHERE lease_token IS NOT NULL OR lease_expires_at IS NOT NULL")
_OUTPUTS = text("SELECT sha256, uri FROM artifacts WHERE sha256 IN (SELECT artifact_sha256 FROM jobs)")
_PROBE = text("SELECT j.*, now() FROM jobs AS j JOIN circuits AS c ON c.probe_job_id = j.id")
_WITHOUT = text("SELECT count(*) FROM jobs WHERE state = 'succeeded' AND artifact_sha256 IS NULL")
_COUNTS = text(
    "SELECT what, sum(n) AS n FROM (SELECT batch_id, what, n FROM batch_counts UNION ALL "
    "SELECT batch_id, what, n FROM batch_count_changes) AS both_of_them WHERE what = ANY(:states) GROUP BY 1"
)
_LIMITS = text(
    "SELECT b.id, b.state, b.calls_made, b.cost_reserved, count(a.sent_at) AS calls, "
    "coalesce(sum(a.price) FILTER (WHERE a.spend <> 'none'), 0) AS cost "
    "FROM batches AS b LEFT JOIN attempts AS a ON a.batch_id = b.id GROUP BY b.id ORDER BY b.id"
)


def audit(rig: Rig, seen: Seen) -> Iterator[str]:
    """Yield each promise that is broken, in words."""
    yield from _settled(rig)
    stats = rig.stats()
    with rig.fleet.engine.connect() as connection:
        yield from _jobs(connection)
        yield from _outputs(connection)
        yield from _money(connection, stats, seen)
        yield from _leftovers(connection)
        # Nobody restored anything, whatever was wiped, frozen or cut off.
        yield from (f"taken for a restore: {found}" for found in restores.list_recent(connection))
    if stats["max_accepted_in_second"] > RATE:
        yield f"{stats['max_accepted_in_second']} calls were accepted in a second"


def audit_pace(rig: Rig, seen: Seen) -> Iterator[str]:
    """Yield what a busy machine may break, too: more calls were refused without a blow near than it should hold up."""
    received = rig.stats()["received"]
    unexplained = sum(n for at, n in seen.refused if not any(begin <= at <= end for begin, end in seen.shaken))
    if unexplained > max(2, UNEXPLAINED_SHARE * received):
        yield f"{unexplained} of {received} calls were refused without a reason: {seen.refused}"


def list_waited_for(rig: Rig) -> list[str]:
    """Return what may be in the way when nothing moves, in words."""
    with rig.fleet.engine.connect() as connection:
        rows = [
            f"{table}: {dict(row._mapping)}"
            for table in ("circuits", "batches", "processes", "daily_calls")
            for row in connection.execute(text(f"SELECT t.*, now() FROM {table} AS t"))
        ]
        rows += [f"probe: {dict(row._mapping)}" for row in connection.execute(_PROBE)]
    with rig.redis() as client:
        keys = sorted(name.decode() for name in client.scan_iter(count=1000))
        bucket = next((name for name in keys if name.endswith(":bucket")), None)
        kept = client.hgetall(bucket) if bucket else {}
    return [*rows, f"Redis: {keys}", f"limiter: {kept}"]


def describe(rig: Rig, seen: Seen) -> str:
    """Return what happened, in one line."""
    stats = rig.stats()
    with rig.fleet.engine.connect() as connection:
        totals = connection.execute(_TOTALS).one()
        dead = sum(row.n for row in connection.execute(_STATES) if row.state == "dead")
    beyond = stats["paid"] - stats["distinct_images"]
    return (
        f"{seen.seconds:.0f} s, {len(seen.blows)} blows, {stats['received']} calls, {stats['throttled']} refused, "
        f"{beyond} photos' worth paid beyond need, {totals.maybe} maybe billed, {dead} dead, at most "
        f"{stats['max_accepted_in_second']} accepted and {stats['max_in_second']} made in a second"
    )


def _jobs(connection: Connection) -> Iterator[str]:
    for row in connection.execute(_STATES):
        if row.state not in {"succeeded", "dead"} or (row.state == "dead" and row.code not in MAY_DIE_OF):
            yield f"{row.n} jobs are {row.state} ({row.code})"


def _outputs(connection: Connection) -> Iterator[str]:
    without = connection.execute(_WITHOUT).scalar_one()
    if without:
        yield f"{without} succeeded jobs have no output"
    for row in connection.execute(_OUTPUTS):
        path = Path(unquote(urlsplit(row.uri).path))
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256:
            yield f"the output {row.sha256[:12]} is not in the store as it was verified"


def _money(connection: Connection, stats: dict[str, Any], seen: Seen) -> Iterator[str]:
    of_photo = {row.sha256: row for row in connection.execute(_ATTEMPTS)}
    for sha256, count in stats["images"].items():
        row = of_photo.get(sha256)
        if row is None or row.calls < count["calls"]:
            yield f"photo {sha256[:12]} had {count['calls']} calls, and {row.calls if row else 0} are on record"
        elif count["paid"] - 1 > row.wasted:
            yield f"photo {sha256[:12]} was paid for {count['paid']} times, and {row.wasted} were of no use"
    totals = connection.execute(_TOTALS).one()
    if totals.calls < stats["received"]:
        yield f"{stats['received']} calls were made, and {totals.calls} are on record"
    faults = stats["by_fault"]
    answerless = sum(faults.get(name, 0) for name in ("timeout", "drop", "reset_before", "truncated"))
    if totals.maybe > answerless + seen.lost:
        codes = {row.code: row.n for row in connection.execute(_MAYBE)}
        yield (
            f"{totals.maybe} calls may be billed; {answerless} had no answer, {seen.lost} were in flight at a blow: "
            f"{codes}, of {faults}"
        )
    if totals.calls - stats["received"] > seen.lost:
        yield f"{totals.calls - stats['received']} calls are on record that were not made; {seen.lost} were in flight"
    limited = next(handed for handed in seen.batches if handed.max_calls is not None)
    if seen.budget_calls is None:
        yield "the batch with a limit was never paused for it"
    elif limited.max_calls is not None and seen.budget_calls > limited.max_calls:
        yield f"{seen.budget_calls} calls were made under a limit of {limited.max_calls}"
    if calls_for(stats["images"], limited.hashes) < len(limited.hashes):
        yield "some photos of the batch with a limit were never called for"


def _leftovers(connection: Connection) -> Iterator[str]:
    leases, left_open = connection.execute(_LEASES).scalar_one(), connection.execute(_TOTALS).one().open
    if leases:
        yield f"{leases} jobs still have a lease"
    for table in ("queued_jobs", "job_notes"):
        if left := connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one():
            yield f"{left} rows are left in {table}"
    if left_open:
        yield f"{left_open} calls are still open on record"
    for row in connection.execute(_LIMITS):
        if row.calls_made and (row.calls_made != row.calls or row.cost_reserved != row.cost):
            yield (
                f"batch {row.id} counts {row.calls_made} calls and {row.cost_reserved}; its attempts are {row.calls} "
                f"and {row.cost}"
            )
    states: dict[str, int] = {}
    for row in connection.execute(_STATES):
        states[row.state] = states.get(row.state, 0) + row.n
    kept = {row.what: int(row.n) for row in connection.execute(_COUNTS, {"states": list(states)})}
    if kept != states:
        yield f"counts say {kept}, and there are {states}"


def _settled(rig: Rig) -> Iterator[str]:
    """Yield what is not over in time: batches, and messages and what workers hold in Redis."""
    deadline = time.monotonic() + SETTLE_SECONDS
    with rig.redis() as client:
        while left := [*_unfinished(rig), *_left(client)]:
            if time.monotonic() > deadline:
                yield f"left after {SETTLE_SECONDS:.0f} s: {', '.join(left)}"
                return
            time.sleep(0.5)


def _unfinished(rig: Rig) -> list[str]:
    with rig.fleet.engine.connect() as connection:
        states = {row.id: row.state for row in connection.execute(_LIMITS)}
    return [f"batch {batch_id} is {state}" for batch_id, state in states.items() if state != "finished"]


def _left(client: Any) -> list[str]:
    """Return the keys of messages, and of workers that hold some; what else is there names queues, or the quota."""
    found = [name.decode() for name in client.scan_iter(count=1000)]
    waiting = [name for name in found if name.startswith(KEY_PREFIX) and "_kombu.binding" not in name]
    holding = [name for name in found if name.startswith(HELD_PREFIX) and client.get(name) not in {None, b"[]"}]
    return [*waiting, *holding]
