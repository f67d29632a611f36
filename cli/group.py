"""Every subcommand, under one name."""

import click

from cli.commands.batch import cancel, export, pause, requeue, resume
from cli.commands.demo import demo
from cli.commands.doctor import doctor
from cli.commands.mask import mask
from cli.commands.money import budget, show_costs
from cli.commands.review import accept, reject
from cli.commands.roles import db, dispatcher, sandbox, up, worker
from cli.commands.run import run
from cli.commands.status import status, watch
from cli.commands.submit import submit


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cleanplate", message="%(package)s %(version)s")
def cleanplate() -> None:
    """Take watermarks, brand names, promotional text and colour blocks out of product photos.

    Exit codes: 0 all clean, 1 some photos did not make it, 2 usage, 5 interrupted or temporary (running again goes
    on), 7 account or signing refused, 8 budget reached.
    """


for command in (run, demo, up, submit, status, watch, pause, resume, cancel, requeue, export, mask, doctor):
    cleanplate.add_command(command)
for decision in (accept, reject, budget, show_costs):
    cleanplate.add_command(decision)
for role in (worker, dispatcher, sandbox, db):
    cleanplate.add_command(role)
