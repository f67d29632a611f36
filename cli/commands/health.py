"""`cleanplate health`: whether the process of this machine does its work; what containers are asked by."""

import click

from cli.running.liveness import check_role
from cli.speech import say
from core.settings import load_settings


@click.command()
@click.argument("role", type=click.Choice(["web", "dispatcher", "worker", "flower"]))
def health(role: str) -> None:
    """Exit 0 when this machine's ROLE does its work, 5 when it does not.

    Every dispatcher has shown itself within seconds, every worker answers through Redis, web and Flower over HTTP.
    """
    check_role(load_settings(), role)
    say(f"{role} is healthy", err=True)
