"""Options that several subcommands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from producer.catalogue.item import read_elements
from producer.intake import BatchOptions

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Put one JSON object on stdout.")
batch_argument = click.argument("batch", type=click.IntRange(min=1))
source_argument = click.argument("source", type=click.Path(path_type=Path))


def batch_options(command: Command) -> Command:
    """Add the options that say what to take off, and how many photos."""
    for option in (
        click.option("--limit", type=click.IntRange(min=1), help="Only the first so many photos."),
        click.option(
            "--subject-elements",
            metavar="LIST",
            help="What to take off the main subject, such as 1,2. Default: the same as --elements.",
        ),
        click.option(
            "--elements",
            metavar="LIST",
            default="1,2,3,4",
            show_default=True,
            help="What to take off: 1 semi-transparent marks, 2 names, 3 characters, 4 colour blocks with characters.",
        ),
    ):
        command = option(command)
    return command


def read_batch_options(elements: str, subject_elements: str | None, limit: int | None) -> BatchOptions:
    """Return the options of a batch as typed.

    Raises:
        UsageError: A number is no element, or nothing is to be taken off at all.
    """
    outside = read_elements(elements, "--elements")
    inside = outside if subject_elements is None else read_elements(subject_elements, "--subject-elements")
    if not outside and not inside:
        raise click.UsageError("--elements and --subject-elements are both empty: there is nothing to take off.")
    return BatchOptions(elements=outside, subject_elements=inside, limit=limit)
