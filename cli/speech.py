"""What the command line writes and asks: a terminal obeys nothing that stands in names and messages of others."""

import click

from core.shown import text_for_terminal


def say(text: object = "", *, mark: str = "", err: bool = False, nl: bool = True) -> None:
    """Write a line to stdout, or to stderr.

    Args:
        text: What; whoever it is from.
        mark: What is ours and stands before it, in a colour perhaps.
        err: To stderr.
        nl: End the line.
    """
    click.echo(mark + text_for_terminal(str(text)), err=err, nl=nl)


def confirm(question: str) -> bool:
    """Ask on stderr, and return whether the answer is yes.

    Raises:
        click.Abort: None was given.
    """
    return click.confirm(text_for_terminal(question), err=True)


def ask_secret(what: str, *, twice: bool = False) -> str:
    """Return what somebody types unseen."""
    told: str = click.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)
    return told


def show_usage_error(error: click.ClickException) -> None:
    """Write why what was typed cannot be used."""
    usage = error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx is not None else ""
    say(f"{usage}\n\nError: {error.format_message()}" if usage else f"Error: {error.format_message()}", err=True)


def overwrite(text: str) -> None:
    """Put text in place of what stands in stderr's last line, on a terminal."""
    click.echo(f"\r\033[K{text_for_terminal(text)}", nl=False, err=True)
