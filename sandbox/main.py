"""The sandbox as a process of its own."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sandbox import erasers, faults
from sandbox.server import SandboxServer
from sandbox.settings import THROTTLE_STYLES, SandboxSettings

SWITCH_SECONDS = 0.0005
EPILOG = (
    "Faults are what a call may be answered with: a resCode such as 801, http429 or another HTTP status, or one of "
    f"{', '.join(sorted(faults.NAMED))}. A real account would have been charged after "
    f"{', '.join(sorted(faults.CHARGED))}."
)


def serve(settings: SandboxSettings, *, port_file: Path | None = None) -> None:
    """Serves until SIGTERM or SIGINT.

    Prints one line with the address on stdout once calls are taken.

    Args:
        settings: what to serve.
        port_file: file that gets the chosen port as text, written in one step.
    """
    # A call's arrival is noted by a thread, which must not wait the default 5 ms for the interpreter.
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if not settings.echo:
        # Found out now, so that the first call does not have to tell.
        erasers.get_eraser()
    with SandboxServer(settings) as server:
        # Nor for a garbage collection that looks at all that was imported.
        gc.collect()
        gc.freeze()
        sys.stdout.write(f"sandbox listening on {server.url}\n")
        sys.stdout.flush()
        if port_file is not None:
            partial = port_file.with_name(port_file.name + ".partial")
            partial.write_text(f"{server.port}\n")
            partial.replace(port_file)
        stop.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line `python -m sandbox`."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        shares = faults.parse_shares(options.faults)
    except ValueError as error:
        parser.error(str(error))
    try:
        serve(
            SandboxSettings(
                host=options.host,
                port=options.port,
                key=options.key,
                secret=options.secret,
                rate=options.rate,
                latency=options.latency,
                faults=shares,
                seed=options.seed,
                names=tuple(filter(None, (name.strip() for name in options.names.split(",")))),
                echo=options.echo,
                throttle_style=options.throttle_style,
                timeout_seconds=options.timeout_seconds,
                clock_tolerance_seconds=options.clock_tolerance,
                output_seconds=options.output_seconds,
                keep_times=options.keep_times,
            ),
            port_file=options.port_file,
        )
    except OSError as error:
        sys.stderr.write(f"sandbox: cannot listen on {options.host}:{options.port}: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    about = "A stand-in removal API over HTTP."
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=about, epilog=EPILOG)
    defaults = SandboxSettings()
    add = parser.add_argument
    add("--host", default=defaults.host, help="address to listen on (%(default)s)")
    add("--port", type=int, default=8750, help="port to listen on, 0 takes any (%(default)s)")
    add("--port-file", type=Path, help="file that gets the chosen port")
    add("--key", default=defaults.key, help="app key of calls (%(default)s)")
    add("--secret", default=defaults.secret, help="secret that signs calls (%(default)s)")
    add("--rate", type=float, default=defaults.rate, help="calls in any sliding second, 0 for no quota (%(default)s)")
    add("--latency", type=float, default=defaults.latency, help="seconds a call takes at least (%(default)s)")
    add("--faults", default="", help="shares such as 801=0.05,timeout=0.01; names stand below")
    add("--seed", type=int, help="makes the choice of faulty calls repeatable")
    add("--names", default="", help="names that element 2 takes out, with commas between")
    add("--echo", action="store_true", help="never erase")
    add("--throttle-style", choices=THROTTLE_STYLES, default=defaults.throttle_style)
    add("--timeout-seconds", type=float, default=defaults.timeout_seconds, help="how long the fault timeout holds")
    add("--clock-tolerance", type=float, default=defaults.clock_tolerance_seconds, help="seconds (%(default)s)")
    add("--output-seconds", type=float, default=defaults.output_seconds, help="life of an output (%(default)s)")
    add("--keep-times", action="store_true", help="tell every accepted call's time in the statistics")
    return parser
