"""`cleanplate find`: photos and batches by whatever somebody has at hand."""

import json
from typing import Any

import click
from sqlalchemy import Connection

from cli.database import open_database
from cli.options import json_option
from cli.speech import say
from core.settings import load_settings
from core.shown import url_for_people
from core.states import called
from db import batches, listings, search
from db.batches import BatchRow
from db.listings import JobRow
from db.search import SearchResult
from db.session import transact

SHOWN = 20


@click.command()
@click.argument("what", metavar="WHAT")
@json_option
def find(what: str, as_json: bool) -> int:
    """Find photos by SKU, file name, URL, job or request id, and batches by number or name."""

    def work(connection: Connection) -> tuple[SearchResult, list[dict[str, Any]]]:
        found = search.find(connection, what)
        told = [{"batch": row.id, "name": row.name, "state": row.state} for row in _batches(connection, found)]
        for group in found.groups:
            told += [
                {"by": group.by.value, **_describe(job)} for job in listings.list_these(connection, group.ids[:SHOWN])
            ]
        return found, told

    with open_database(load_settings()) as engine:
        found, told = transact(engine, work)
    if as_json:
        say(json.dumps(told))
    else:
        for line in told:
            say(_line(line))
        for group in found.groups:
            if len(group.ids) > SHOWN:
                whole = f"more than {len(group.ids):,}" if group.is_more else f"{len(group.ids):,}"
                say(f"The first {SHOWN} of {whole} found by {group.by.value}; say more of it to see others.", err=True)
        if not told:
            say("Nothing found.", err=True)
    return 0 if told else 1


def _describe(job: JobRow) -> dict[str, Any]:
    told = {"job": job.id, "batch": job.batch_id, "state": job.state, "name": job.name, "sku": job.sku}
    return told | {"url": url_for_people(job.source_uri)}


def _batches(connection: Connection, found: SearchResult) -> list[BatchRow]:
    return batches.list_these(connection, found.batch_ids[:SHOWN])


def _line(told: dict[str, Any]) -> str:
    if "job" not in told:
        return f"batch {told['batch']}  {told['state']}  {told['name']}"
    sku = f"  {told['sku']}" if told["sku"] else ""
    return f"job {told['job']}  batch {told['batch']}  {called(told['state'])}  {told['name']}{sku}  {told['url']}"
