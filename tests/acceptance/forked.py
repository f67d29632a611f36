"""Commands in processes of their own that need not load what all of them load: for most that is half of the work."""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.group import COMMANDS
from cli.main import main

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    [__name__, "db.migrate", *sorted({f"cli.commands.{place.partition(':')[0]}" for place in COMMANDS.values()})]
)


def run_forked(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float
) -> tuple[int, str, str]:
    """Run `cleanplate …` and return its exit code, its stdout and its stderr.

    Args:
        words: After the command's name.
        environment: Its whole environment.
        folder: Where it runs.
        seconds: How long it may take.

    Raises:
        TimeoutError: It took longer, and was killed.
    """
    out, err = folder / ".stdout", folder / ".stderr"
    process = _server.Process(target=_be, args=(list(words), dict(environment), folder, out, err))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"{words} took longer than {seconds} s: {err.read_text(encoding='utf-8')}")
    texts = out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")
    out.unlink()
    err.unlink()
    return process.exitcode, *texts


def _be(words: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path) -> None:
    """Be the command, in the new process."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = ["cleanplate", *words]
    out_text = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    err_text = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    with out_text as sys.stdout, err_text as sys.stderr:
        main()
