"""Colour on terminals, unless NO_COLOR says otherwise (no-color.org)."""

import os

import click

from actions.standing import Level, Standing

_LEVELS = {Level.HEALTHY: "green", Level.SLOW: "yellow", Level.STOPPED: "red", Level.TROUBLE: "red"}


def paint(text: str, colour: str) -> str:
    """Return a text in a colour; where it goes to no terminal, `click.echo` takes it off again."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def paint_standing(standing: Standing) -> str:
    """Return the line on how the whole stands."""
    told = str(standing)
    level = str(standing.level.capitalize())
    return paint(level, _LEVELS[standing.level]) + told.removeprefix(level)
