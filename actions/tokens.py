"""Bearer tokens of the REST API: making and revoking them."""

from sqlalchemy import Connection

from core.errors import NotFound, UsageError
from db import audit, tokens
from db.tokens import Scope, TokenRow


def create(connection: Connection, actor: str, name: str, scopes: list[Scope]) -> tuple[TokenRow, str]:
    """Make a token; return it with its text, which is nowhere else.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        name: What people call it.
        scopes: What it allows.

    Raises:
        UsageError: It has no name, or allows nothing.
    """
    if not name.strip() or not scopes:
        raise UsageError("A token needs a name and at least one scope.")
    made = tokens.create(connection, name=name, scopes=scopes)
    audit.note(connection, actor, "make token", f"token {name}", ", ".join(scopes))
    return made


def revoke(connection: Connection, actor: str, token_id: int) -> None:
    """Make a token invalid.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        token_id: Which.

    Raises:
        NotFound: There is no valid token of this number.
    """
    if not tokens.revoke(connection, token_id):
        raise NotFound(f"There is no token {token_id}.")
    audit.note(connection, actor, "revoke", f"token {token_id}")
