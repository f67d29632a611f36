"""What people do about what shops are told."""

from sqlalchemy import Connection

from core.errors import NotFound
from db import audit, shop_events


def tell_again(connection: Connection, actor: str, connection_id: int, callback_id: int) -> None:
    """Tell a shop something again, whether it took it or not.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        connection_id: Which shop.
        callback_id: What.

    Raises:
        NotFound: This shop was told nothing of this number.
    """
    if not shop_events.tell_again(connection, connection_id, callback_id):
        raise NotFound(f"There is no callback {callback_id} of connection {connection_id}.")
    audit.note(connection, actor, "tell again", f"connection {connection_id}", f"callback {callback_id}")
