"""A whole run: submitted, waited for, exported, reported."""

import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Connection, Engine

from actions.questions import waits_for_canary
from cli.actor import actor
from cli.database import existing_database
from cli.running.again import find_done, make_fetcher
from cli.running.checks import check_settings
from cli.running.progress import make_display
from cli.running.stops import CanaryFailed
from cli.running.summary import RunSummary
from cli.running.wait import wait_for_end
from cli.speech import say
from core.errors import AccountRefused, BudgetReached, UsageError
from core.figures import count, counted
from core.settings import Settings
from core.states import called
from db import audit, batches, budgets, canaries, circuits, costs, failures, looks, tallies
from db.budgets import tariff_of
from db.costs import Spent
from db.migrate import upgrade
from db.session import make_engine, now, transact
from db.tallies import BatchCounts
from exporting.report import REPORT_NAME, write_reports
from localstack.stack import RUN_ROLES, LocalStack
from producer.catalogue.source import identity, is_photo, read_source, title
from producer.intake import BatchOptions, Intake, submit
from sandbox.erasers import why_plain


def keep_originals(source: str, out: Path) -> None:
    """Refuse to write outputs over the photos they come from.

    Raises:
        UsageError: `out` is the folder of the source.
    """
    path = Path(source).resolve()
    folder = path if path.is_dir() else path.parent
    if folder == out and (path.is_dir() or is_photo(path)):
        raise UsageError(
            f"--out {out} is where the photos come from; name another folder, so that none is overwritten."
        )


def recall(settings: Settings, source: str, out: Path, options: BatchOptions) -> RunSummary | None:
    """Export and report a source that needs no call, without a worker; None when something may be left to do.

    Args:
        settings: Of this process.
        source: As typed.
        out: An existing folder.
        options: What to take off.
    """
    began = time.monotonic()
    with existing_database(settings) as engine:
        if engine is None:
            return None
        with closing(make_fetcher(settings)) as fetcher:
            found = find_done(engine, settings.provider, source, out, options, fetcher)
        if found is None:
            return None
        batch_id, counts = found
        screened = transact(engine, lambda connection: looks.count(connection, batch_id))
        report = write_reports(engine, batch_id, out, currency=settings.removal_currency)
    return RunSummary(
        batch=batch_id,
        counts=BatchCounts(total=counts.total, succeeded=counts.succeeded, held=counts.held, reused=counts.succeeded),
        spent=Spent(0, 0, Decimal(0)),
        settings=settings,
        seconds=time.monotonic() - began,
        out=out,
        report=report,
        failures=[],
        screened=screened,
    )


def clean(
    settings: Settings,
    source: str,
    out: Path,
    options: BatchOptions,
    *,
    roles: frozenset[str] = RUN_ROLES,
    is_durable: bool = True,
    begin: Callable[[Engine], None] = lambda _: None,
    end: Callable[[RunSummary, LocalStack], None] = lambda *_: None,
) -> RunSummary:
    """Submit, wait, export and report; return what came of it.

    Args:
        settings: Of this process.
        source: As typed.
        out: An existing folder.
        options: What to take off.
        roles: What runs meanwhile.
        is_durable: Whether a database that is started for it outlives a power cut.
        begin: Called once everything runs.
        end: Called with what came of it while everything still runs.

    A refused account, a used up budget, a bad canary or Ctrl-C while waiting ends it early, and the summary says so.

    Raises:
        CleanplateError: It could not be carried to its end; running again goes on.
    """
    check_settings(settings)
    began = time.monotonic()
    stopped: AccountRefused | BudgetReached | CanaryFailed | KeyboardInterrupt | None = None
    with LocalStack(settings, roles=roles, migrate=upgrade, flaw_of_sandbox=why_plain, is_durable=is_durable) as stack:
        engine = make_engine(stack.endpoints.database_url, pool_size=2)
        try:
            begin(engine)
            since = transact(engine, now)
            intake = transact(engine, lambda connection: take_in(connection, source, out, options, settings))
            transact(engine, lambda connection: _say(connection, intake))
            try:
                wait_for_end(
                    engine,
                    intake.batch_id,
                    since=since,
                    settings=settings,
                    display=make_display(),
                    check=stack.check,
                    idle_note="starting a worker…",
                )
            except (AccountRefused, BudgetReached, CanaryFailed, KeyboardInterrupt) as error:
                stopped = error
            report = out / REPORT_NAME
            if not isinstance(stopped, KeyboardInterrupt):
                report = write_reports(engine, intake.batch_id, out, currency=settings.removal_currency)
            counts = transact(engine, lambda connection: tallies.counts(connection, intake.batch_id))
            failed = transact(engine, lambda connection: failures.count_dead_by_code(connection, intake.batch_id))
            spent = transact(engine, lambda connection: costs.spent(connection, intake.batch_id))
            summary = RunSummary(
                batch=intake.batch_id,
                counts=counts,
                spent=spent,
                settings=settings,
                seconds=time.monotonic() - began,
                out=out,
                report=report,
                failures=failed,
                screened=transact(engine, lambda connection: looks.count(connection, intake.batch_id)),
                stopped=stopped,
            )
            end(summary, stack)
        finally:
            engine.dispose()
    return summary


def take_in(connection: Connection, source: str, out: Path | None, options: BatchOptions, settings: Settings) -> Intake:
    """Write the batch and let it run at once, even when an earlier try ended with a refused account.

    A batch that is paused for its canary stays so until a person resumes it; one that is paused for want of budget
    goes on when there is some.
    """
    intake = submit(
        connection,
        read_source(source, leave_out=out, reading=options.reading),
        name=title(source),
        source=identity(source),
        options=options,
        made_by=actor(),
    )
    if intake.resumed:
        batch = batches.get(connection, intake.batch_id)
        reason = batch.pause_reason if batch is not None else None
        if reason == budgets.PAUSE_REASON:
            budgets.resume_affordable(connection, settings.account, tariff_of(settings))
        elif reason != canaries.PAUSE_REASON and batch is not None and not waits_for_canary(batch):
            batches.resume(connection, intake.batch_id)
    circuits.probe_now(connection, settings.account)
    told = f"{intake.added} photos of {title(source)}" if intake.added else f"{title(source)} again, nothing new"
    audit.note(connection, actor(), "submit", f"batch {intake.batch_id}", told)
    return intake


def _say(connection: Connection, intake: Intake) -> None:
    batch = batches.get(connection, intake.batch_id)
    if batch is not None and batch.state == "paused":
        say(f"Batch {intake.batch_id} is paused ({called(batch.pause_reason or '')}).", err=True)
    elif intake.resumed:
        left = tallies.counts(connection, intake.batch_id).unsettled
        new = f", {count(intake.added)} of them new" if intake.added else ""
        say(f"Resuming batch {intake.batch_id}: {count(left)} left{new}.", err=True)
    else:
        say(f"Batch {intake.batch_id}: {counted(intake.added - intake.faults, 'photo')}.", err=True)
    tell_of_faults(intake)


def tell_of_faults(intake: Intake) -> None:
    """Say how many rows cannot be read, if there are any."""
    if intake.faults:
        rows = counted(intake.faults, "row cannot be read", "rows cannot be read; the first")
        say(f"{rows}: {intake.first_fault} The others continue; `--strict` refuses such a file.", err=True)
