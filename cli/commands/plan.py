"""`cleanplate plan`: what a number of photos would take, before anything is set up."""

import json
from dataclasses import asdict
from decimal import Decimal

import click

from cli.amount import Amount
from cli.options import json_option
from cli.speech import say
from core.figures import count, counted, size
from core.money import money
from core.settings import load_settings
from quote.capacity import MOST_CONNECTIONS, MOST_REDIS_CORES, SECONDS_A_DAY, Capacity, reckon
from quote.pace import about

MOST_IMAGES = 10**12
MEGABYTE = 1_000_000


@click.command(name="plan")
@click.option("--images", type=click.IntRange(1, MOST_IMAGES), required=True, help="How many photos to clean.")
@click.option(
    "--rate",
    type=click.FloatRange(0.001, 10_000),
    help="Calls per second; whole numbers from 1 up.  [default: REMOVAL_RATE]",
)
@click.option(
    "--latency",
    type=click.FloatRange(0, 600, min_open=True),
    default=2.0,
    show_default=True,
    help="Seconds a call takes.",
)
@click.option("--price", type=Amount(), help="Price of one call.  [default: REMOVAL_PRICE]")
@click.option(
    "--output-kb",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=90.0,
    show_default=True,
    help="Size of an output, in kB.",
)
@json_option
def show_plan(
    images: int, rate: float | None, latency: float, price: Decimal | None, output_kb: float, as_json: bool
) -> None:
    """Estimate what so many photos take: days, money, workers, memory and disk; starts nothing."""
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
        ("photos", f"{count(found.images)}, {found.rate:g} calls/s of {found.latency:g} s each"),
        ("time", _time(found.days)),
        ("cost", cost),
        (
            "workers",
            f"{found.processes} × WORKER_CONCURRENCY={found.threads} ({counted(found.in_flight, 'photo')} in flight), "
            f"{size(found.worker_mb * MEGABYTE)} of memory",
        ),
        (
            "cores",
            f"{found.worker_cores:.2g} for workers and dispatcher, {found.postgres_cores:.2g} for PostgreSQL, "
            f"{found.redis_cores:.2g} for Redis{busy}",
        ),
        (
            "PostgreSQL",
            f"{size(found.postgres_gb * 1000 * MEGABYTE)} in the end; {counted(found.connections, 'connection')}{many}",
        ),
        ("outputs", f"{size(found.artifact_gb * 1000 * MEGABYTE)} of {found.output_kb:g} kB each, in ARTIFACT_STORE"),
        ("Redis", f"{size(found.redis_mb * MEGABYTE)}; {counted(found.window, 'job')} wait there or run at once"),
        ("", "From figures measured on one machine (bench/RESULTS.md); docs/scaling.md explains how, and the limits."),
    ]


def _time(days: float) -> str:
    return f"{days:,.1f} days" if days >= 2 else about(days * SECONDS_A_DAY)
