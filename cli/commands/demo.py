"""`cleanplate demo`: the whole path on a catalogue that the sandbox draws itself."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from sqlalchemy import Engine

from cli.running.clean import clean
from cli.running.console_link import make_console_link
from cli.running.role import stop_on_signals
from cli.running.summary import EXIT_CLEAN, EXIT_INCOMPLETE, RunSummary
from cli.speech import say
from core.errors import UsageError
from core.settings import AIDGE, load_settings
from core.states import Screen
from localstack.ports import free_port
from localstack.stack import RUN_ROLES, LocalStack
from producer.intake import BatchOptions

PHOTOS = 24
BARE_EVERY = 6
DEMO_RATE = 10.0
LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Where to write the demo's files.")
@click.option(
    "--stay/--no-stay",
    default=lambda: sys.stdin.isatty() and sys.stderr.isatty(),
    help="Keep the console open at the end, until Ctrl-C. Default: on a terminal.",
)
def demo(to: Path | None, stay: bool) -> int:
    """Clean a sample catalogue of 24 drawn products on embedded servers; free, calls nobody."""
    try:
        from sandbox.catalogue import is_kept, keep, make_catalogue
    except ImportError as error:
        raise UsageError("The demo needs the sandbox extra: pip install 'cleanplate[sandbox]'.") from error
    settings = load_settings(
        database_url="",
        redis_url="",
        removal_api_url="",
        removal_api_key="",
        removal_provider=AIDGE,
        artifact_store="postgres",
        removal_rate=DEMO_RATE,
        removal_price=0,
        removal_daily_calls=None,
    )
    folder = (to or settings.cleanplate_home / "demo").resolve()
    photos, out, home = folder / "catalogue", folder / "clean", folder / "home"
    is_drawn = is_kept(photos, count=PHOTOS)
    for old in (out, home) if is_drawn else (photos, out, home):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    out.mkdir()
    settings = settings.model_copy(
        update={"cleanplate_home": home, "web_host": LOOPBACK, "web_port": free_port(), "web_public_url": ""}
    )

    def end(summary: RunSummary, stack: LocalStack) -> None:
        if summary.stopped is not None:
            return
        summary.print(command=f"CLEANPLATE_HOME={home} cleanplate")
        if stay:
            # Before it is said: who answers at once must not interrupt what is done.
            stop = stop_on_signals()
            say("The console stays open until Ctrl-C.", err=True)
            while not stop.wait(1.0):
                stack.check()

    def draw() -> None:
        if not is_drawn:
            make_catalogue(photos, count=PHOTOS, bare_every=BARE_EVERY)
            keep(photos, count=PHOTOS)

    how = "Using the sample catalogue drawn before:" if is_drawn else "Drawing a sample catalogue of"
    say(f"{how} {PHOTOS} product photos, while the servers start…", err=True)
    with ThreadPoolExecutor(1) as beside:
        drawn = beside.submit(draw)

        def begin(engine: Engine) -> None:
            if stay:
                say(f"Console (this link signs you in once): {make_console_link(engine, settings)}", err=True)
            drawn.result()

        summary = clean(
            settings,
            str(photos / "photos"),
            out,
            BatchOptions(screen=Screen.SKIP),
            roles=RUN_ROLES | {"web"} if stay else RUN_ROLES,
            # The next demo begins by deleting it, and what was forced to the disk takes seconds to make and to delete.
            is_durable=False,
            begin=begin,
            end=end,
        )
    if summary.stopped is not None:
        raise summary.stopped
    # What is held shows what the demo is to show.
    return EXIT_INCOMPLETE if summary.counts.succeeded + summary.counts.held < summary.counts.total else EXIT_CLEAN
