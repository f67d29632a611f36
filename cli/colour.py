"""Colour on terminals, unless NO_COLOR says otherwise (no-color.org)."""

import os

import click


def paint(text: str, colour: str) -> str:
    """Return a text in a colour; where it goes to no terminal, `click.echo` takes it off again."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)
