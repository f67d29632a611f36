"""Every subcommand, under one name; each is imported only when it is asked for, so that commands start quickly."""

from difflib import get_close_matches
from importlib import import_module

import click

GROUPS = {
    "Clean photos": {
        "run": "run:run",
        "demo": "demo:demo",
        "plan": "plan:show_plan",
        "mask": "mask:mask",
    },
    "Manage batches": {
        "submit": "submit:submit",
        "status": "status:status",
        "watch": "status:watch",
        "find": "find:find",
        "pause": "batch:pause",
        "resume": "batch:resume",
        "cancel": "batch:cancel",
        "retry": "batch:requeue",
        "export": "batch:export",
        "review": "review:write_review",
        "accept": "review:accept",
        "reject": "review:reject",
        "flag": "review:flag",
        "unflag": "review:unflag",
        "budget": "money:budget",
        "costs": "money:show_costs",
    },
    "Connect people and shops": {
        "user": "user:user",
        "token": "token:token",
        "connect": "connect:connect",
        "connections": "connect:manage",
        "writeback": "writeback:writeback",
        "restore": "writeback:restore",
    },
    "Run it": {
        "up": "roles:up",
        "worker": "roles:worker",
        "dispatcher": "roles:dispatcher",
        "web": "web:web",
        "flower": "flower:flower",
        "sandbox": "roles:sandbox",
    },
    "Check that it runs": {
        "doctor": "doctor:doctor",
        "alarms": "alarms:alarms",
        "health": "health:health",
        "db": "roles:db",
        "store": "store:store",
    },
}
"""What each is for, and the command's module and name, in the order people meet them."""
ALIASES = {"requeue": "retry"}
"""Names that commands had before, which they are still called by."""
COMMANDS = {name: place for commands in GROUPS.values() for name, place in commands.items()}


class Commands(click.Group):
    """The subcommands, in the order people meet them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return one of them, or None."""
        place = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(f"cli.commands.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was typed, or say which one may have been meant."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS | ALIASES:
            close = get_close_matches(args[0], COMMANDS | ALIASES, n=1)
            meant = f" Did you mean `{ALIASES.get(close[0], close[0])}`?" if close else ""
            ctx.fail(f"There is no command {args[0]!r}.{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command does, whole, by what people want to do."""
        widest = max(map(len, COMMANDS))
        for title, names in GROUPS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if command is not None:
                    rows.append((name.ljust(widest), command.get_short_help_str(limit=500)))
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cleanplate", message="%(package)s %(version)s")
def cleanplate() -> None:
    """Remove watermarks, brand names, promotional text and colour blocks from product photos.

    Exit codes: 0 all clean, 1 some photos failed or need review, 2 usage, 5 interrupted or temporary (run it again
    to continue), 7 account or signing refused, 8 budget reached.
    """
