"""The `cleanplate` command's entry: every foreseen error becomes one message and an exit code.

0 all clean · 1 some photos did not make it · 2 usage · 5 interrupted or temporary (running again goes on) ·
7 account or signing refused · 8 budget reached
"""

import os
import sys

import click

from core.errors import CleanplateError

INTERRUPTED = 5


def main() -> None:
    """Run the command line."""
    try:
        # Imported here so that Ctrl-C while it loads ends in a message, too.
        from cli.group import cleanplate

        code = cleanplate.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except CleanplateError as error:
        click.echo(f"cleanplate: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("cleanplate: interrupted; what was done is kept, run the same command again to go on", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
