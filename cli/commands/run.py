"""`cleanplate run`: photos in, clean photos out, one command."""

from pathlib import Path
from typing import Any

import click

from cli.options import asking_options, batch_options, json_option, read_batch_options, source_argument
from cli.quoting.confirm import confirm, tell_quote
from cli.running.clean import clean, keep_originals, recall
from cli.running.passwords import refuse_weak_passwords
from cli.speech import say
from core.errors import AccountRefused, UsageError
from core.settings import load_settings
from core.states import Screen
from exporting.folder import prepare_folder
from photos.findings import can_look


@click.command()
@source_argument
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write clean photos to; required."
)
@batch_options
@json_option
@asking_options
def run(source: str, out: Path | None, as_json: bool, dry_run: bool, confirm_over: int, yes: bool, **typed: Any) -> int:
    """Clean every photo of SOURCE: a folder, a list of URLs, or the product file or feed of a shop.

    Starts what is not running and stops it again. Run it again to continue where it stopped: nothing is paid twice.
    """
    settings = load_settings()
    refuse_weak_passwords(settings, "DATABASE_URL", "REDIS_URL")
    options = read_batch_options(settings, **typed)
    if options.screen is not Screen.OFF and not can_look():
        raise UsageError("--screen (SCREEN) inspects photos, which needs an extra: pip install 'cleanplate[look]'.")
    if dry_run:
        tell_quote(settings, source, None if out is None else out.resolve(), options, json=as_json)
        return 0
    if out is None:
        raise click.UsageError("Missing option '--out': the folder to write clean photos to.")
    target = prepare_folder(out)
    keep_originals(source, target)
    summary = recall(settings, source, target, options)
    if summary is None:
        confirm(settings, source, target, options, yes=yes, over=confirm_over)
        summary = clean(settings, source, target, options)
    if as_json:
        say(summary.as_json())
    if summary.stopped is None or not isinstance(summary.stopped, KeyboardInterrupt | AccountRefused):
        summary.print()
    if summary.stopped is not None:
        raise summary.stopped
    return summary.exit_code
