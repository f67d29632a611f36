"""`cleanplate demo`: the whole path on a catalogue that the sandbox draws itself."""

import shutil
from pathlib import Path

import click

from cli.commands.run import clean
from core.errors import UsageError
from core.settings import load_settings
from producer.intake import BatchOptions

PHOTOS = 24
DEMO_RATE = 10.0


@click.command()
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Where the demo's files go.")
def demo(to: Path | None) -> int:
    """Clean a sample catalogue of 24 drawn products on embedded servers; costs nothing, calls nobody."""
    try:
        from sandbox.catalogue import make_catalogue
    except ImportError as error:
        raise UsageError("The demo needs the sandbox extra: pip install 'cleanplate[sandbox]'.") from error
    settings = load_settings(
        database_url="",
        redis_url="",
        removal_api_url="",
        removal_api_key="",
        removal_rate=DEMO_RATE,
        removal_price=0,
        removal_daily_calls=None,
    )
    folder = (to or settings.cleanplate_home / "demo").resolve()
    photos, out, home = folder / "catalogue", folder / "clean", folder / "home"
    for old in (photos, out, home):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    out.mkdir()
    click.echo("Drawing a sample catalogue of 24 product photos…", err=True)
    make_catalogue(photos, count=PHOTOS)
    settings = settings.model_copy(update={"cleanplate_home": home})
    summary = clean(settings, str(photos / "photos"), out, BatchOptions())
    if summary.stopped is not None:
        raise summary.stopped
    summary.print()
    return summary.exit_code
