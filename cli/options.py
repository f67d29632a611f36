"""Options that several subcommands share."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.amount import Amount
from cli.mask_file import read_batch_mask
from core.settings import Settings
from core.states import Fit, Screen, Send
from producer.catalogue.format import FORMATS, Reading
from producer.catalogue.item import read_elements
from producer.intake import BatchOptions
from removal.contract import ELEMENTS

Command = TypeVar("Command", bound=Callable[..., Any])

CONFIRM_OVER = 50
MOST_CALLS = 10**12
MOST_ID = 2**63 - 1

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
batch_argument = click.argument("batch", type=click.IntRange(1, MOST_ID))
source_argument = click.argument("source")
max_calls_option = click.option("--max-calls", type=click.IntRange(0, MOST_CALLS), help="Limit on the batch's calls.")
max_cost_option = click.option(
    "--max-cost", type=Amount(), help="Limit on the batch's cost, at REMOVAL_PRICE a call; maybe billed calls count."
)


def batch_options(command: Command) -> Command:
    """Add the options that say what to take off which photos, how, and for how much."""
    for option in (
        click.option(
            "--base-url",
            default="",
            metavar="URL",
            help="Base URL of photos that a catalogue names by path (Magento).",
        ),
        click.option("--strict", is_flag=True, help="Refuse a catalogue if any row cannot be read."),
        click.option(
            "--image-col",
            multiple=True,
            metavar="COLUMN",
            help="A column with photo URLs, for a table of unknown format; can be repeated.",
        ),
        click.option(
            "--format",
            "file_format",
            type=click.Choice(FORMATS),
            help="What SOURCE is. Default: detected from its content.",
        ),
        click.option(
            "--canary",
            type=click.IntRange(min=1),
            help="Try so many photos first; the rest follow if these turn out well.",
        ),
        max_cost_option,
        max_calls_option,
        click.option("--limit", type=click.IntRange(min=1), help="Only the first so many photos."),
        click.option(
            "--screen",
            type=click.Choice([each.value for each in Screen]),
            help="Photos with nothing to remove: process (off), count (report) or skip them unpaid (skip). "
            "Default: SCREEN.",
        ),
        click.option(
            "--strip-metadata",
            is_flag=True,
            help="Remove metadata from outputs: Exif with GPS, XMP, IPTC, text.  [default: keep it]",
        ),
        click.option("--force", is_flag=True, help="Pay again for photos cleaned in an earlier batch."),
        click.option(
            "--send",
            type=click.Choice([each.value for each in Send]),
            default=Send.AUTO.value,
            show_default=True,
            help="How photos are sent: as URLs, as bytes, or whichever suits each.",
        ),
        click.option(
            "--fit",
            type=click.Choice([each.value for each in Fit]),
            default=Fit.FIT.value,
            show_default=True,
            help="Photos outside the API's limits: resize and restore them (fit), or refuse them (strict).",
        ),
        click.option(
            "--mask",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The area to erase in photos without their own mask: run lengths or a drawn PNG.",
        ),
        click.option(
            "--box",
            "boxes",
            multiple=True,
            metavar="X,Y,W,H",
            help="A box to erase in photos without their own mask, in pixels; can be repeated.",
        ),
        click.option(
            "--subject-elements",
            metavar="LIST",
            help="What to remove from the product itself, such as 1,2. Default: the same as --elements.",
        ),
        click.option(
            "--elements",
            metavar="LIST",
            default="1,2,3,4",
            show_default=True,
            help="What to remove: " + ", ".join(f"{number} {name}" for number, name in ELEMENTS.items()) + ".",
        ),
    ):
        command = option(command)
    return command


def asking_options(command: Command) -> Command:
    """Add the options that say what is told and asked before anything is paid for."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask before paid calls."),
        click.option(
            "--confirm-over",
            type=click.IntRange(min=0),
            default=CONFIRM_OVER,
            show_default=True,
            help="Ask, on a terminal, before more paid calls than this.",
        ),
        click.option("--dry-run", is_flag=True, help="Show what it would cost, and why; call and submit nothing."),
    ):
        command = option(command)
    return command


def read_batch_options(
    settings: Settings,
    *,
    elements: str,
    subject_elements: str | None,
    mask: Path | None,
    boxes: tuple[str, ...],
    fit: str,
    send: str,
    force: bool,
    screen: str | None,
    strip_metadata: bool = False,
    limit: int | None,
    max_calls: int | None,
    max_cost: Decimal | None,
    canary: int | None,
    file_format: str | None,
    image_col: tuple[str, ...],
    base_url: str,
    strict: bool = False,
) -> BatchOptions:
    """Return the options of a batch as typed.

    Raises:
        UsageError: A number is no element, nothing is to be taken off at all, the mask cannot be used, or a cost is
            limited that nobody can know.
    """
    require_price(settings, max_cost)
    outside = read_elements(elements, "--elements")
    inside = outside if subject_elements is None else read_elements(subject_elements, "--subject-elements")
    if not outside and not inside and mask is None and not boxes:
        raise click.UsageError("--elements and --subject-elements are both empty, so there is nothing to remove.")
    return BatchOptions(
        elements=outside,
        subject_elements=inside,
        limit=limit,
        fit=Fit(fit),
        send=Send(send),
        force=force,
        screen=settings.screen if screen is None else Screen(screen),
        strip_metadata=strip_metadata,
        mask=read_batch_mask(mask, boxes),
        canary=canary,
        max_calls=max_calls,
        max_cost=max_cost,
        reading=Reading(file_format, image_col, base_url, allow_files=True, is_strict=strict),
    )


def require_price(settings: Settings, max_cost: Decimal | None) -> None:
    """Refuse to limit a cost that nobody can know.

    Raises:
        click.UsageError: --max-cost was given and no price is set.
    """
    if max_cost is not None and not settings.removal_price:
        raise click.UsageError(
            "--max-cost needs REMOVAL_PRICE, the price of one call. You can use --max-calls instead."
        )
