"""RESULTS.md, written from what was measured: `python -m bench.results`."""

from collections.abc import Sequence
from typing import Any

from bench import plots, record, scaling
from bench.record import FOLDER, Section
from quote.capacity import MEASURED

Row = dict[str, Any]
CEILING = "ceiling"
SIDES = ("ours", "bare", "dramatiq", "arq", "taskiq", "rq", "aiolimiter")
HEAD = """# What was measured

Written by `python -m bench --write` (`make bench`) and `make bench-peers`; nothing in here is by hand. Each section
says on what it was measured. The stand-in API, PostgreSQL, Redis and all that is compared share that machine.
PostgreSQL does not wait for its disk in these runs (`fsync` off). Photos are 640×800 JPEGs of 90 kB, fetched over HTTP
and sent as Base64. *bare* is the plainest Celery task: fetch, one token bucket in Lua, signed POST, GET, write, one
INSERT; no lease, attempt, check or search for the same photo. What a worker takes includes the processes that decode
photos for it, which the bare loop does not do. Of a quota, what was used is counted from a second after
the first call, since a burst may fill that one at once.
"""


def write() -> None:
    """Write the page and its plots anew."""
    sections = record.read()
    page = [HEAD]
    for name, render in (
        ("beside", _beside),
        ("versus", _versus),
        ("stages", _stages),
        ("growth", _growth),
        ("lifetimes", _lifetimes),
        ("others", _others),
    ):
        if name in sections:
            page += render(sections[name])
    page += [*_reckoned(sections)]
    scaling.write()
    (FOLDER / "RESULTS.md").write_text("\n".join(page).rstrip() + "\n", encoding="utf-8")


def _beside(section: Section) -> list[str]:
    rows = section["rows"]
    shown = {f"{row['side']}, {_quota(row)}": row for row in rows}
    names = [
        ("photos/s", "photos_per_second"),
        ("quota used", "quota_used"),
        ("refused", "refused"),
        ("worker, ms of CPU", "worker.cpu_ms"),
        ("dispatcher, ms", "feeder.cpu_ms"),
        ("both, ms", "cpu_ms_together"),
        ("PostgreSQL, ms", "postgres.cpu_ms"),
        ("Redis, ms", "redis.cpu_ms"),
        ("context switches of the worker", "worker.switches"),
        ("statements to PostgreSQL", "statements"),
        ("round trips to PostgreSQL", "round_trips"),
        ("transactions", "transactions"),
        ("limiter calls", "limiter_calls"),
        ("µs of Redis' scripts", "scripts_us"),
        ("commands to Redis", "redis_commands"),
        ("updates of `jobs`", "jobs_updates"),
        ("of which HOT", "jobs_hot_share"),
        ("bytes in PostgreSQL", "postgres_bytes"),
        ("rows of `jobs` not yet vacuumed", "jobs_dead_rows"),
        ("by table", "bytes_by_table"),
        ("bytes of its log (no full pages)", "wal_bytes"),
        ("Redis at most, MB", "redis_peak_mb"),
        ("memory of the workers, MB", "mb"),
    ]
    table = [["per photo, unless it is a share", *shown]]
    table += [[label, *(_cell(_dig(row, key)) for row in shown.values())] for label, key in names]
    return ["## Ours beside the bare loop", _where(section), *_table(table)]


def _versus(section: Section) -> list[str]:
    rows: list[Row] = section["rows"]
    sides = [side for side in SIDES if any(row["side"] == side for row in rows)]
    cells = list(dict.fromkeys(row["measurement"] for row in rows))
    found = {(row["measurement"], row["side"]): row for row in rows}
    used = [["quota used (refused)", *sides]]
    used += [[cell, *(_used(found.get((cell, side))) for side in sides)] for cell in cells if cell != CEILING]
    ceiling = [found.get((CEILING, side), {}) for side in sides]
    costs = [["without a quota, calls of 0.2 s", *sides]]
    for label, key in (
        ("photos/s", "photos_per_second"),
        ("ms of CPU a photo", "cpu_ms_together"),
        ("ms of PostgreSQL", "postgres.cpu_ms"),
        ("most in flight", "most_in_flight"),
        ("MB per photo in flight", "mb_per_photo_in_flight"),
    ):
        costs.append([label, *(_cell(_dig(row, key)) for row in ceiling)])
    values = {row["side"]: row["cpu_ms_together"] for row in ceiling if "cpu_ms_together" in row}
    _save("cpu.svg", plots.bars("CPU of worker and dispatcher per photo, no quota", "ms", values))
    return [
        "## Ours beside other queues",
        _where(section),
        "Each does what the bare loop does, ours all that it does for every photo. RQ has as many in flight as it has "
        "workers, 40 at most; the asyncio script is one process, since its limiter knows of no other. Where the API is "
        "asked for more than the machine can do, the quota is not what holds anybody up.\n",
        *_table(used),
        *_table(costs),
        "![CPU per photo](cpu.svg)\n",
    ]


def _stages(section: Section) -> list[str]:
    row = section["rows"][0]
    stages = sorted(row["stages"].items(), key=lambda pair: -pair[1])
    table = [["stage", "ms of CPU a photo", "share"]]
    total = sum(row["stages"].values())
    table += [[name, f"{value:.2f}", f"{value / total:.0%}"] for name, value in stages]
    return ["## Where a worker's CPU goes", _where(section), *_table(table)]


def _growth(section: Section) -> list[str]:
    rows: list[Row] = section["rows"]
    backlog = [row for row in rows if row["measurement"] == "backlog"]
    heads = [f"{row['pending']:,} {row['statistics']}" for row in backlog]
    keys = [key for key in dict.fromkeys(key for row in backlog for key in row) if key not in _NOT_SHOWN]
    table = [["pending, statistics", *heads]]
    table += [[_label(key), *(_cell(row.get(key)) for row in backlog)] for key in keys]
    once = [["pending", *(f"{row['pending']:,}" for row in rows if row["measurement"] == "intake")]]
    for measurement, key, label in (
        ("intake", "rows_per_second", "intake, rows/s"),
        ("intake", "peak_mb", "intake, MB at most"),
        ("size", "bytes_per_job", "bytes of `jobs` a job"),
        ("size", "index_bytes_per_job", "bytes of its indexes"),
        ("fleet", "waits_ms.median", "ms from an interactive photo's commit to its call"),
        ("fleet", "waits_ms.slowest", "the slowest of twelve"),
        ("fleet", "idle_core_share", "of a core, the idle stack with PostgreSQL, Redis and any vacuum meanwhile"),
    ):
        once.append([label, *(_cell(_dig(row, key)) for row in rows if row["measurement"] == measurement)])
    export = [
        f"Export: {row['rows_per_second']:,} rows a second, {row['peak_mb']} MB at most.\n"
        for row in rows
        if row["measurement"] == "export" and "rows_per_second" in row
    ]
    series = {
        f"{name}, {state}": [
            (row["pending"], float(row[key]))
            for row in backlog
            if row["statistics"] == state and isinstance(row.get(key), int | float)
        ]
        for name, key in (("pick", "pick_ms"), ("overview", "overview_ms"), ("status", "status_ms"))
        for state in ("fresh", "stale")
    }
    _save("growth.svg", plots.lines("Milliseconds by pending jobs", "pending jobs", series))
    return [
        "## What a large backlog costs",
        _where(section),
        "*Stale* is what the planner believes right after a large batch has come into a table in which nothing was "
        "pending before. A quota of 200/s is dispatched for; times are milliseconds.\n",
        *_table(table),
        "![Milliseconds by pending jobs](growth.svg)\n",
        *_table(once),
        *export,
    ]


def _lifetimes(section: Section) -> list[str]:
    lived, *left = section["rows"]
    table = [["bytes a photo", *(f"`{row['table']}`" for row in left)]]
    table += [
        [label, *(_cell(row[key]) for row in left)]
        for key, label in (
            ("bytes", "rows and indexes"),
            ("of_indexes", "indexes alone"),
            ("rewritten", "rows and indexes, written anew"),
            ("dead_share", "dead rows at the end, for each photo"),
        )
    ]
    return [
        "## What photos leave in PostgreSQL",
        _where(section),
        f"{lived['photos']:,} photos that went well, their statements alone and {lived['per_second']:,} a second; "
        f"autovacuum looked every 5 s. Updates of `jobs` a photo: {_cell(lived['jobs_updates'])}, of them HOT: "
        f"{_cell(lived['jobs_hot_share'])}. What only passes through has "
        f"tables of {_cell(lived.get('passing_mb'))} MB.\n",
        *_table(table),
    ]


def _reckoned(sections: dict[str, Section]) -> list[str]:
    rows = [row for row in sections.get("beside", {}).get("rows", []) if row["side"] == "ours"]
    table = [["`cleanplate plan` reckons with", "it has", *(f"measured, {_quota(row)}" for row in rows)]]
    table += [
        [label, _cell(getattr(MEASURED, name)), *(_cell(_dig(row, key)) for row in rows)]
        for name, label, key in (
            ("worker_ms", "ms of a worker", "worker.cpu_ms"),
            ("dispatcher_ms", "ms of the dispatcher", "feeder.cpu_ms"),
            ("postgres_ms", "ms of PostgreSQL", "postgres.cpu_ms"),
            ("redis_ms", "ms of Redis", "redis.cpu_ms"),
            ("quota_used", "share of the quota", "quota_used"),
            ("row_bytes", "bytes in PostgreSQL", "postgres_bytes"),
            ("redis_base_mb", "MB of Redis", "redis_peak_mb"),
        )
    ]
    return ["## What plans are made with", *_table(table)]


def _others(section: Section) -> list[str]:
    page = ["## Limiter, fleet and pages", _where(section)]
    for row in section["rows"]:
        told = ", ".join(f"{_label(key)} {_cell(value)}" for key, value in row.items() if key != "measurement")
        page.append(f"- **{row['measurement']}**: {told}")
    return [*page, ""]


_NOT_SHOWN = {"measurement", "pending", "statistics"}


def _where(section: Section) -> str:
    return (
        f"{section['machine']}, Python {section['python']}, commit {section['commit']}, {section['on']}; "
        f"load of the machine over the last quarter of an hour: {section['load']}.\n"
    )


def _quota(row: Row) -> str:
    return f"{row['rate']:g}/s, {row['processes']}×{row['threads']}" if row["rate"] else "no quota"


def _used(row: Row | None) -> str:
    if row is None:
        return "–"
    if "failed" in row:
        return "failed"
    return f"{_cell(row['quota_used'])} ({row['refused']})"


def _dig(row: Row, path: str) -> Any:
    found: Any = row
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _cell(value: Any) -> str:
    match value:
        case None:
            return "–"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        case int():
            return f"{value:,}"
        case dict():
            return ", ".join(f"{name} {_cell(each)}" for name, each in value.items())
        case _:
            return str(value)


def _label(key: str) -> str:
    return key.removesuffix("_ms").replace("_", " ") + (" ms" if key.endswith("_ms") else "")


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = rows
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in body), ""]


def _save(name: str, svg: str) -> None:
    (FOLDER / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    write()
