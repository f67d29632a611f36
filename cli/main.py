"""The `cleanplate` command's entry: every foreseen error becomes one message and an exit code.

0 all clean · 1 some photos did not make it · 2 usage · 5 interrupted or temporary (running again goes on) ·
7 account or signing refused · 8 budget reached
"""

import logging
import os
import sys
import tempfile
import traceback

import click

from cli.speech import say, show_usage_error
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
        say(f"cleanplate: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        show_usage_error(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say("cleanplate: interrupted; what was done is kept. Run the same command again to continue", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        sys.exit(tell_unforeseen(error))


def tell_unforeseen(error: Exception) -> int:
    """Log the whole cause where this process keeps logs, else name a file with it in one line; return the exit code."""
    import structlog  # not at the top: it would slow every command down

    if structlog.is_configured():
        # A container's files are gone with it.
        logging.getLogger("cleanplate").critical("an unexpected error ended this process", exc_info=error)
        return 1
    handle, path = tempfile.mkstemp(prefix="cleanplate-error-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        traceback.print_exception(error, file=file)
    what = (str(error).strip().splitlines() or [""])[0][:200]
    say(
        f"cleanplate: unexpected error: {type(error).__name__}: {what}. What was done is kept; the details "
        f"are in {path}.",
        err=True,
    )
    return 1


if __name__ == "__main__":
    main()
