"""`cleanplate run`: photos in, clean photos out, one command."""

import sys
import time
from itertools import islice
from pathlib import Path

import click
from sqlalchemy import Connection

from cli.checks import check_settings
from cli.export import prepare_folder
from cli.options import batch_options, json_option, read_batch_options, source_argument
from cli.progress import make_display
from cli.report import REPORT_NAME, write_reports
from cli.stack.local import ALL_ROLES, LocalStack
from cli.summary import RunSummary
from cli.waiting import wait_for_end
from core.errors import AccountRefused, UsageError
from core.settings import Settings, load_settings
from db import batches, circuits, reports
from db.migrate import upgrade
from db.session import make_engine, now, transact
from producer.catalogue.source import is_photo, read_source
from producer.intake import BatchOptions, Intake, submit


@click.command()
@source_argument
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where clean photos go.")
@batch_options
@json_option
@click.option("--yes", is_flag=True, help="Do not ask before paid calls.")
def run(
    source: Path, out: Path, elements: str, subject_elements: str | None, limit: int | None, as_json: bool, yes: bool
) -> int:
    """Clean every photo of SOURCE: a folder, a text file of URLs, or JSONL.

    Starts what is not running and stops it again. Run it again to go on where it stopped: nothing is paid twice.
    """
    settings = load_settings()
    options = read_batch_options(elements, subject_elements, limit)
    target = prepare_folder(out)
    keep_originals(source, target)
    confirm(settings, source, target, options, yes=yes)
    summary = clean(settings, source, target, options)
    if as_json:
        click.echo(summary.as_json())
    if summary.stopped is not None:
        raise summary.stopped
    summary.print()
    return summary.exit_code


def confirm(settings: Settings, source: Path, out: Path | None, options: BatchOptions, *, yes: bool) -> None:
    """Read the source once to find what is wrong with it, and ask before paid calls on a terminal.

    Raises:
        UsageError: The source cannot be used.
        click.Abort: The user said no.
    """
    asks = not (settings.uses_sandbox or yes) and sys.stdin.isatty()
    items = islice(read_source(source, leave_out=out), options.limit if asks else 1)
    found = sum(1 for _ in items)
    if asks and found:
        click.confirm(f"Up to {found} paid calls to {settings.api_url}. Go on?", abort=True, err=True)


def keep_originals(source: Path, out: Path) -> None:
    """Refuse to write outputs over the photos they come from.

    Raises:
        UsageError: `out` is the folder of the source.
    """
    folder = source.resolve() if source.is_dir() else source.resolve().parent
    if folder == out and (source.is_dir() or is_photo(source)):
        raise UsageError(
            f"--out {out} is where the photos come from; name another folder, so that none is overwritten."
        )


def clean(settings: Settings, source: Path, out: Path, options: BatchOptions) -> RunSummary:
    """Submit, wait, export and report; return what came of it.

    Args:
        settings: Of this process.
        source: A folder, a URL list or JSONL.
        out: An existing folder.
        options: What to take off.

    A refused account or Ctrl-C while waiting ends it early, and the summary says so.

    Raises:
        CleanplateError: It could not be carried to its end; running again goes on.
    """
    check_settings(settings)
    began = time.monotonic()
    stopped: AccountRefused | KeyboardInterrupt | None = None
    with LocalStack(settings, roles=ALL_ROLES, migrate=upgrade) as stack:
        engine = make_engine(stack.endpoints.database_url, pool_size=2)
        try:
            since = transact(engine, now)
            intake = transact(engine, lambda connection: take_in(connection, source, out, options, settings.account))
            _say(intake)
            try:
                wait_for_end(
                    engine,
                    intake.batch_id,
                    since=since,
                    account=settings.account,
                    rate=settings.removal_rate,
                    display=make_display(),
                    check=stack.check,
                )
            except (AccountRefused, KeyboardInterrupt) as error:
                stopped = error
            report = out / REPORT_NAME
            if not isinstance(stopped, KeyboardInterrupt):
                report = write_reports(engine, intake.batch_id, out)
            counts = transact(engine, lambda connection: batches.counts(connection, intake.batch_id))
            failures = transact(engine, lambda connection: reports.count_dead_by_code(connection, intake.batch_id))
        finally:
            engine.dispose()
    seconds = time.monotonic() - began
    return RunSummary(intake.batch_id, counts, seconds, out, report, failures, stopped)


def take_in(connection: Connection, source: Path, out: Path | None, options: BatchOptions, account: str) -> Intake:
    """Write the batch and let it run at once, even when an earlier try ended with a refused account."""
    intake = submit(
        connection,
        read_source(source, leave_out=out),
        name=source.name or str(source.resolve().name),
        source=str(source.resolve()),
        options=options,
    )
    if intake.resumed:
        batches.resume(connection, intake.batch_id)
    circuits.probe_now(connection, account)
    return intake


def _say(intake: Intake) -> None:
    if intake.resumed:
        click.echo(f"Batch {intake.batch_id} goes on where it stopped ({intake.added} photos are new).", err=True)
    else:
        click.echo(f"Batch {intake.batch_id}: {intake.added} photos.", err=True)
