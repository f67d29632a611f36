"""The `cleanplate` command: every subcommand, and what its exit codes mean.

0 all clean · 1 some photos did not make it · 2 usage · 5 interrupted or temporary (running again goes on) ·
7 account or signing refused · 8 budget reached
"""

import logging
import os
import sys

import click

from cli.commands.batch import cancel, export, pause, requeue, resume, status, submit, watch
from cli.commands.demo import demo
from cli.commands.doctor import doctor
from cli.commands.roles import db, dispatcher, sandbox, up, worker
from cli.commands.run import run
from core.errors import CleanplateError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cleanplate", message="%(package)s %(version)s")
def cleanplate() -> None:
    """Take watermarks, brand names, promotional text and colour blocks out of product photos.

    Exit codes: 0 all clean, 1 some photos did not make it, 2 usage, 5 interrupted or temporary (running again goes
    on), 7 account or signing refused, 8 budget reached.
    """


for command in (run, demo, up, submit, status, watch, pause, resume, cancel, requeue, export, doctor):
    cleanplate.add_command(command)
for role in (worker, dispatcher, sandbox, db):
    cleanplate.add_command(role)


def main() -> None:
    """Run the command line; every foreseen error becomes one message and its exit code."""
    try:
        code = cleanplate.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except CleanplateError as error:
        logging.getLogger(__name__).debug("cause", exc_info=error)
        click.echo(f"cleanplate: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("cleanplate: interrupted; what was done is kept, run the same command again to go on", err=True)
        sys.exit(5)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
