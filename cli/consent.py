"""Asking on a terminal before something is done; elsewhere nothing is asked."""

import sys

import click

from actions.questions import Question
from cli.speech import confirm, say
from core.errors import Declined

yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def on_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def agree(question: Question | None, *, yes: bool, otherwise: str) -> None:
    """Ask, unless there is nothing to ask, or somebody has agreed already.

    Args:
        question: What.
        yes: Whether they have agreed already.
        otherwise: What is said when they do not, such as "Nothing was retried."

    Raises:
        Declined: They do not.
    """
    if question is not None and not yes and on_terminal():
        ask(question.words, otherwise)


def ask(words: str, otherwise: str) -> None:
    """Ask, and go on when the answer is yes.

    Raises:
        Declined: It is no, or none was given.
    """
    try:
        is_agreed = confirm(words)
    except click.Abort:
        say(err=True)
        is_agreed = False
    if not is_agreed:
        raise Declined(otherwise)
