"""People who may use the console: letting them in, changing what they may do, shutting them out."""

from sqlalchemy import Connection

from core.errors import NotFound, Refused, UsageError
from db import audit, users
from db.users import Role, UserRow


def add(connection: Connection, actor: str, name: str, role: Role, password_hash: str | None) -> UserRow:
    """Let a person in, also one who was shut out before.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        name: Of the person.
        role: What they may do.
        password_hash: What is kept of their password; None for somebody who signs in with links or through a proxy.

    Raises:
        UsageError: The name cannot be used, or is in use.
    """
    if flaw := users.flaw_of_name(name):
        raise UsageError(flaw)
    person = users.add(connection, name, role, password_hash)
    if person is None:
        raise UsageError(f"{name} already exists.")
    audit.note(connection, actor, "add person", name, role)
    return person


def change_password(connection: Connection, actor: str, name: str, password_hash: str) -> None:
    """Change a person's password, which signs them out everywhere.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        name: Of the person.
        password_hash: What is kept of the new password.

    Raises:
        NotFound: There is nobody of this name.
    """
    _find(connection, name)
    users.set_password(connection, name, password_hash)
    audit.note(connection, actor, "change password", name)


def change_role(connection: Connection, actor: str, name: str, role: Role) -> None:
    """Change what a person may do, at once.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        name: Of the person.
        role: What they may do from now on.

    Raises:
        NotFound: There is nobody of this name.
        Refused: It is who acts.
    """
    _refuse_oneself(actor, name)
    if _find(connection, name).role is role:
        return
    users.set_role(connection, name, role)
    audit.note(connection, actor, "change role", name, role)


def remove(connection: Connection, actor: str, name: str) -> None:
    """Shut a person out, everywhere and at once.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        name: Of the person.

    Raises:
        NotFound: There is nobody of this name.
        Refused: It is who acts.
    """
    _refuse_oneself(actor, name)
    _find(connection, name)
    users.remove(connection, name)
    audit.note(connection, actor, "remove person", name)


def make_link(connection: Connection, actor: str, name: str) -> str:
    """Return what a link holds that signs a person in once, within 15 minutes.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        name: Of the person.

    Raises:
        NotFound: There is nobody of this name.
    """
    person = _find(connection, name)
    audit.note(connection, actor, "make link", name)
    return users.make_link(connection, person.id)


def _find(connection: Connection, name: str) -> UserRow:
    person = users.find(connection, name)
    if person is None:
        raise NotFound(f"There is no person called {name}.")
    return person


def _refuse_oneself(actor: str, name: str) -> None:
    if actor == name:
        raise Refused("You cannot take away your own rights; ask another admin.")
