"""Alarms: that somebody knows of one, so that it stays in sight but is quiet, and asking the API again."""

from sqlalchemy import Connection

from actions.levels import Standing
from actions.status import find_alarms, look_around
from core.errors import NotFound, Refused
from core.settings import Settings
from db import acknowledgements, audit, circuits
from db.acknowledgements import Acknowledgement

MOST_HOURS = 168.0
UNSURE_HOURS = 1.0
"""Of an alarm of which nobody can tell whether it is still the same one."""


def acknowledge(
    connection: Connection, actor: str, name: str, settings: Settings, *, hours: float | None = None
) -> Acknowledgement:
    """Tell an alarm quietly until it changes: a new one, or a worse one of its name, is told aloud again.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        name: Of the alarm.
        settings: Whose account, quota and Redis.
        hours: No longer than that; None for as long as it does not change. Where nobody can tell whether it did, it is
            an hour.

    Raises:
        NotFound: There is no such alarm at present.
        Refused: It is too long.
    """
    if hours is not None and not 0 < hours <= MOST_HOURS:
        raise Refused(f"An alarm is acknowledged for up to {MOST_HOURS:g} hours. Nothing was changed.")
    found = _find(connection, name, settings)
    if hours is None and found.newest is None:
        hours = UNSURE_HOURS
    known = acknowledgements.keep(connection, name, actor, hours=hours, covers=found.newest, weight=found.weight)
    audit.note(
        connection, actor, "acknowledge", f"alarm {name}", "until it changes" if hours is None else f"{hours:g} h"
    )
    return known


def raise_again(connection: Connection, actor: str, name: str) -> None:
    """Tell an alarm aloud again that somebody acknowledged.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        name: Of the alarm.

    Raises:
        NotFound: Nobody had.
    """
    if not acknowledgements.forget(connection, name):
        raise NotFound(f"Nobody has acknowledged an alarm {name!r}. Nothing was changed.")
    audit.note(connection, actor, "raise again", f"alarm {name}")


def ask_now(connection: Connection, actor: str, settings: Settings) -> None:
    """Let an API that is out, or refuses the account, be asked again at once.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        settings: Whose account.

    Raises:
        Refused: It is called as usual.
    """
    if circuits.find_open(connection, settings.account) is None:
        raise Refused("The API is called as usual. Nothing was changed.")
    circuits.probe_now(connection, settings.account)
    audit.note(connection, actor, "ask the API")


def _find(connection: Connection, name: str, settings: Settings) -> Standing:
    alarms = find_alarms(look_around(connection, settings))
    found = next((alarm for alarm in alarms if alarm.name == name), None)
    if found is None:
        there_are = ", ".join(alarm.name for alarm in alarms) or "none"
        raise NotFound(f"There is no alarm {name!r} at present. Alarms: {there_are}.")
    return found
