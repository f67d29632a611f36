"""Connecting to checked addresses only: to the very one that was checked, so a name cannot change in between."""

import logging
from collections.abc import Iterable

import httpcore

from core.errors import SourceRefused, SourceUnreachable
from core.net.addresses import AllowList, address_of, is_public
from core.net.wire import Deadline, WireStream, dial, resolve

log = logging.getLogger(__name__)


class CheckedBackend(httpcore.NetworkBackend):
    """Opens connections for httpcore after checking every address of the host.

    Args:
        allow: What may be private.
        deadline: Bounds everything on these connections.
    """

    def __init__(self, allow: AllowList, deadline: Deadline) -> None:
        self._allow = allow
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature
        local_address: str | None = None,  # noqa: ARG002 - httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002 - httpcore's signature
    ) -> WireStream:
        """Return a connection to `host`.

        Raises:
            SourceRefused: One of its addresses is not public and not allowed.
            SourceUnreachable: The name does not resolve.
            httpcore.ConnectError: Nothing took the connection.
        """
        try:
            addresses = resolve(host, port)
        except httpcore.ConnectError as error:
            log.info("the host name %s does not resolve", host)
            raise SourceUnreachable("dns_failed", "The URL's host name does not resolve.") from error
        for _, sockaddr in addresses:
            address = address_of(sockaddr)
            if not is_public(address) and not self._allow.permits(host, address, port):
                # Names and addresses within our walls are for whoever runs this, not for whoever sent a URL.
                log.warning("%s leads to %s, which is not public; FETCH_ALLOW_PRIVATE does not name it", host, address)
                raise SourceRefused(
                    "address_forbidden",
                    "The URL leads to what is not a public address. If it is your own storage, name it in "
                    "FETCH_ALLOW_PRIVATE; the log says which it is.",
                )
        return dial(addresses, self._deadline)
