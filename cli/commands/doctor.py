"""`cleanplate doctor`: what is configured, what answers, and what would be called."""

import click

from cli.colour import paint
from cli.running.findings import examine
from cli.speech import say
from core.settings import load_settings


@click.command()
def doctor() -> int:
    """Check what is configured and whether it answers; exit 1 when something is wrong."""
    findings = list(examine(load_settings()))
    for finding in findings:
        mark = paint("ok  ", "green") if finding.is_good else paint("BAD ", "red")
        say(f" {finding.name:<12} {finding.text}", mark=mark)
    return 0 if all(finding.is_good for finding in findings) else 1
