"""Every subcommand, under one name; each is imported only when it is asked for, so that commands start quickly."""

from importlib import import_module

import click

COMMANDS = {
    "run": "run:run",
    "demo": "demo:demo",
    "plan": "plan:show_plan",
    "up": "roles:up",
    "submit": "submit:submit",
    "status": "status:status",
    "watch": "status:watch",
    "pause": "batch:pause",
    "resume": "batch:resume",
    "cancel": "batch:cancel",
    "requeue": "batch:requeue",
    "export": "batch:export",
    "accept": "review:accept",
    "reject": "review:reject",
    "budget": "money:budget",
    "costs": "money:show_costs",
    "mask": "mask:mask",
    "store": "store:store",
    "user": "user:user",
    "token": "token:token",
    "connect": "connect:connect",
    "connections": "connect:manage",
    "doctor": "doctor:doctor",
    "health": "health:health",
    "worker": "roles:worker",
    "dispatcher": "roles:dispatcher",
    "web": "web:web",
    "flower": "flower:flower",
    "sandbox": "roles:sandbox",
    "db": "roles:db",
}


class Commands(click.Group):
    """The subcommands, in the order people meet them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return one of them, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"cli.commands.{module}"), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cleanplate", message="%(package)s %(version)s")
def cleanplate() -> None:
    """Take watermarks, brand names, promotional text and colour blocks out of product photos.

    Exit codes: 0 all clean, 1 some photos did not make it, 2 usage, 5 interrupted or temporary (running again goes
    on), 7 account or signing refused, 8 budget reached.
    """
