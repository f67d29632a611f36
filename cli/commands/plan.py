"""`cleanplate plan`: what a number of photos would take, before anything is set up."""

import json
from dataclasses import asdict
from decimal import Decimal

import click

from cli.amount import Amount
from cli.options import json_option
from cli.speech import say
from core.money import money
from core.settings import load_settings
from quote.capacity import MOST_CONNECTIONS, MOST_REDIS_CORES, SECONDS_A_DAY, Capacity, reckon
from quote.pace import about

MOST_IMAGES = 10**12


@click.command(name="plan")
@click.option("--images", type=click.IntRange(1, MOST_IMAGES), required=True, help="Photos to be called for.")
@click.option(
    "--rate",
    type=click.FloatRange(0.001, 10_000),
    help="Calls per second, from 1 on whole ones.  [default: REMOVAL_RATE]",
)
@click.option(
    "--latency",
    type=click.FloatRange(0, 600, min_open=True),
    default=2.0,
    show_default=True,
    help="Seconds that a call takes.",
)
@click.option("--price", type=Amount(), help="Price of one call.  [default: REMOVAL_PRICE]")
@click.option(
    "--output-kb",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=90.0,
    show_default=True,
    help="How large an output is, in kB.",
)
@json_option
def show_plan(
    images: int, rate: float | None, latency: float, price: Decimal | None, output_kb: float, as_json: bool
) -> None:
    """Say what so many photos take: days, money, workers, memory and disks; nothing is asked or started."""
    settings = load_settings()
    found = reckon(
        images,
        rate or settings.removal_rate,
        latency,
        price=settings.removal_price or None if price is None else price,
        output_kb=output_kb,
    )
    if as_json:
        told = asdict(found) | {"cost": None if found.cost is None else float(found.cost)}
        say(json.dumps(told | {"currency": settings.removal_currency}))
        return
    width = max(len(name) for name, _ in _lines(found, settings.removal_currency))
    for name, words in _lines(found, settings.removal_currency):
        say(f"{name:<{width}}  {words}")


def _lines(found: Capacity, currency: str) -> list[tuple[str, str]]:
    cost = "unknown: neither --price nor REMOVAL_PRICE is set"
    if found.cost is not None:
        cost = money(found.cost, currency)
    many = f", more than {MOST_CONNECTIONS}: see docs/scaling.md" if found.connections > MOST_CONNECTIONS else ""
    busy = ", more than one thread of it does: see docs/scaling.md" if found.redis_cores > MOST_REDIS_CORES else ""
    return [
        ("photos", f"{found.images:,}, {found.rate:g} calls/s of {found.latency:g} s each"),
        ("time", _time(found.days)),
        ("cost", cost),
        (
            "workers",
            f"{found.processes} × WORKER_CONCURRENCY={found.threads} ({found.in_flight:,} photos in flight), "
            f"{_size(found.worker_mb)} of memory",
        ),
        (
            "cores",
            f"{found.worker_cores:.2g} for workers and dispatcher, {found.postgres_cores:.2g} for PostgreSQL, "
            f"{found.redis_cores:.2g} for Redis{busy}",
        ),
        ("PostgreSQL", f"{_size(found.postgres_gb * 1000)} in the end; {found.connections:,} connections{many}"),
        ("outputs", f"{_size(found.artifact_gb * 1000)} of {found.output_kb:g} kB each, in ARTIFACT_STORE"),
        ("Redis", f"{_size(found.redis_mb)}; {found.window:,} jobs wait there or run at once"),
        ("", "From figures measured on one machine (bench/RESULTS.md); docs/scaling.md says how, and where it ends."),
    ]


def _time(days: float) -> str:
    return f"{days:,.1f} days" if days >= 2 else about(days * SECONDS_A_DAY)


def _size(megabytes: float) -> str:
    for unit in ("MB", "GB"):
        if megabytes < 1000:
            return f"{megabytes:.3g} {unit}"
        megabytes /= 1000
    return f"{megabytes:,.3g} TB"
