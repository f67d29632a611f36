"""What people do about what shops told us."""

from sqlalchemy import Connection

from core.errors import NotFound, Refused
from core.figures import counted
from db import audit, connections, shop_events
from producer.webhooks.delivery import BadDelivery
from producer.webhooks.shop_intake import Ours, take_in_again


def take_again(connection: Connection, actor: str, connection_id: int, delivery_id: int, *, ours: Ours) -> int:
    """Read a webhook that came before once more, and return how many photos that brought which are not known by now.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        connection_id: Which shop.
        delivery_id: Which webhook.
        ours: What tells that a photo needs no work.

    Raises:
        NotFound: This shop sent nothing of this number, or it is not kept any more.
        Refused: It cannot be read.
    """
    shop = connections.find_open(connection, connection_id)
    found = shop_events.find_webhook(connection, connection_id, delivery_id)
    if shop is None or found is None:
        raise NotFound(f"There is no webhook {delivery_id} of connection {connection_id}.")
    try:
        jobs = take_in_again(connection, shop, *found, ours=ours)
    except BadDelivery as error:
        raise Refused(f"Webhook {delivery_id} cannot be read: {error} Nothing was changed.") from error
    audit.note(
        connection,
        actor,
        "take again",
        f"connection {connection_id}",
        f"webhook {delivery_id}: {counted(jobs, 'photo')}",
    )
    return jobs
