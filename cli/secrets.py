"""Secrets that commands take: from the environment or stdin, never as typed, which every user of a machine can see."""

import os
import sys
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

STDIN = "-"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def secret_option(name: str, variable: str, what: str) -> Decorator:
    """Return an option for a secret.

    Args:
        name: As it is typed.
        variable: The environment's variable that may hold it.
        what: It is, for the help.
    """

    def check(context: click.Context, parameter: click.Parameter, told: str | None) -> str | None:
        if context.get_parameter_source(str(parameter.name)) is not ParameterSource.COMMANDLINE:
            # A variable that is set to nothing is a slip, and not the wish for a new secret.
            return os.environ.get(variable, told)
        if told != STDIN:
            raise click.UsageError(
                f"What is typed after {name} shows in lists of processes; set {variable}, or give `{name} -` "
                "and the secret on stdin."
            )
        return sys.stdin.readline().rstrip("\r\n")

    told = f"{what} Or {variable}. `-` reads a line from stdin; nothing else may stand here."
    return click.option(name, envvar=variable, metavar="-", callback=check, help=told)
