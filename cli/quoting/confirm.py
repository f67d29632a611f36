"""What is told and asked before anything is paid for."""

import sys
import time
from itertools import islice
from pathlib import Path

from cli.consent import ask, on_terminal
from cli.database import existing_database
from cli.quoting.table import as_json, as_table
from cli.speech import overwrite, say
from core.figures import count, counted
from core.money import describe_calls
from core.settings import Settings
from producer.catalogue.source import identity, read_source, tell_guess
from producer.intake import BatchOptions
from quote import Quote, make_quote
from quote.clean_urls import missing_address
from quote.pace import present_pace

TELL_EVERY_SECONDS = 0.2


def tell_quote(settings: Settings, source: str, out: Path | None, options: BatchOptions, *, json: bool) -> None:
    """Print what a source would come to; nothing is called or submitted.

    Raises:
        UsageError: The source cannot be used.
        DatabaseDown: DATABASE_URL is set and does not answer.
    """
    quote = quote_for(settings, source, out, options)
    _tell_guess(source, options)
    _tell_missing_address(settings, source, options)
    say(as_json(quote) if json else as_table(quote, settings))


def confirm(settings: Settings, source: str, out: Path | None, options: BatchOptions, *, yes: bool, over: int) -> None:
    """Find what is wrong with a source at its first photo, and ask before many calls on a terminal.

    Args:
        settings: Whose account and price.
        source: What to read.
        out: A folder that is no part of it.
        options: What to take off.
        yes: Do not ask.
        over: Ask when more calls than this would be made.

    Raises:
        UsageError: The source cannot be used.
        Declined: The user said no.
    """
    _tell_guess(source, options)
    asks = not yes and on_terminal()
    is_missing = _tell_missing_address(settings, source, options)
    if is_missing and asks:
        ask("Go on without it?", "Nothing was submitted. Set WEB_PUBLIC_URL, and run the same again.")
    most = min(over + 1, options.limit or over + 1) if asks else 1
    found = sum(1 for _ in islice(read_source(source, leave_out=out, reading=options.reading), most))
    if not asks or found <= over:
        return
    quote = quote_for(settings, source, out, options)
    if quote.to_call > over:
        words = f"Submit {source}? Up to {describe_calls(quote.to_call, settings)}."
        if quote.within_budget is not None and quote.within_budget < quote.to_call:
            words += f" The batch's budget allows {count(quote.within_budget)} of these calls."
        ask(words, "Nothing was submitted.")


def quote_for(settings: Settings, source: str, out: Path | None, options: BatchOptions) -> Quote:
    """Return the quote of a source, with progress on a terminal.

    Raises:
        UsageError: The source cannot be used.
        DatabaseDown: DATABASE_URL is set and does not answer.
    """
    items = read_source(source, leave_out=out, reading=options.reading)
    progress = _Progress()
    with existing_database(settings) as engine:
        try:
            return make_quote(
                engine,
                settings,
                items,
                source=identity(source),
                options=options,
                rate=present_pace(engine, settings),
                tell=progress.show,
            )
        finally:
            progress.clear()


def _tell_guess(source: str, options: BatchOptions) -> None:
    if guessed := tell_guess(source, options.reading):
        say(guessed, err=True)


def _tell_missing_address(settings: Settings, source: str, options: BatchOptions) -> bool:
    missing = missing_address(settings, source, options.reading)
    if missing:
        say(missing, err=True)
    return bool(missing)


class _Progress:
    """How many photos were looked at, in one line that is overwritten; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._next = 0.0

    def show(self, photos: int) -> None:
        """Show it, unless it was shown just now."""
        if self._is_shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + TELL_EVERY_SECONDS
            overwrite(f"{counted(photos, 'photo')} read…")

    def clear(self) -> None:
        """Leave the line empty."""
        if self._is_shown:
            overwrite("")
