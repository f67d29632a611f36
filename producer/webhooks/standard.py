"""Standard Webhooks 1.0: any sender that follows the specification, with photos in a plain JSON body."""

import binascii
from collections.abc import Sequence

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from producer.webhooks.delivery import BadDelivery, BadSignature, Delivery, Incoming, read_json, text_of
from producer.webhooks.signed_json import photos_in

MOST_SIGNATURES = 20
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


class StandardWebhooks:
    """Signs `id.timestamp.body`; five minutes' tolerance."""

    name = "standard"

    def verify(self, incoming: Incoming, secrets: Sequence[str]) -> None:
        """Raise BadSignature unless one of the signatures fits and the time is near now."""
        require_standard(incoming, secrets)

    def read(self, incoming: Incoming) -> Delivery:
        """Return the photos in the body, or in its `data`."""
        body = read_json(incoming.body)
        data = body.get("data")
        return Delivery(
            incoming.header("webhook-id"),
            text_of(body.get("type")),
            photos_in(data if isinstance(data, dict) else body),
        )


def require_standard(incoming: Incoming, keys: Sequence[str | bytes]) -> None:
    """Check a request that is signed by Standard Webhooks.

    Args:
        incoming: The request.
        keys: `whsec_…` texts, or raw keys.

    Raises:
        BadDelivery: The body is no text, which is what is signed.
        BadSignature: None of the keys made any of its signatures, or its time is too far from now.
    """
    try:
        incoming.body.decode()
    except UnicodeDecodeError as error:
        raise BadDelivery("The body is not JSON: it is not even UTF-8.") from error
    told = {name: incoming.header(name) for name in HEADERS}
    for key in keys:
        # One by one, since the package stops at the first that is no signature at all.
        for signature in told["webhook-signature"].split()[:MOST_SIGNATURES]:
            try:
                Webhook(key).verify(incoming.body, {**told, "webhook-signature": signature}, json_parse=False)
            except (WebhookVerificationError, ValueError, binascii.Error):
                continue
            return
    raise BadSignature("The signature does not fit the body, or its time is over five minutes from now.")
