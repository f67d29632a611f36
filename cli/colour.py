"""Colour on terminals, unless NO_COLOR says otherwise (no-color.org)."""

import os

import click

from actions.levels import Level, Standing
from cli.speech import say

_LEVELS = {Level.HEALTHY: "green", Level.SLOW: "yellow", Level.STOPPED: "red", Level.TROUBLE: "red"}


def paint(text: str, colour: str) -> str:
    """Return a text in a colour; where it goes to no terminal, `click.echo` takes it off again."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def say_standing(standing: Standing, *, err: bool = False) -> None:
    """Write the line on how the whole stands."""
    level = str(standing.level.capitalize())
    colour = _LEVELS[standing.level] if standing.acknowledged is None else "blue"
    say(str(standing).removeprefix(level), mark=paint(level, colour), err=err)
