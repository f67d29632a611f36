"""One HTTP request to a checked address, bounded in time and size; nothing is followed, nothing is kept open."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpcore
import httpx

from core.errors import CleanplateError, SourceError
from core.net.addresses import AllowList
from core.net.dialer import CheckedBackend
from core.net.trust import make_tls
from core.net.wire import Deadline


class NoAnswer(CleanplateError):
    """Nobody answered, the address is not allowed, or the answer is too long."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; names of headers in lower case."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class CheckedClient:
    """Asks others; for one thread at a time.

    Args:
        allow_private: Comma-separated host names, addresses or networks that may be private.

    Raises:
        UsageError: `allow_private` cannot be read.
    """

    def __init__(self, allow_private: str) -> None:
        self._deadline = Deadline()
        self._pool = httpcore.ConnectionPool(
            max_connections=1,
            max_keepalive_connections=0,
            ssl_context=make_tls(),
            network_backend=CheckedBackend(AllowList(allow_private), self._deadline),
        )

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        seconds: float,
        max_bytes: int,
        is_cut: bool = False,
    ) -> Reply:
        """Send a request and return the whole answer.

        Args:
            method: Such as `GET`.
            url: http or https.
            headers: Sent besides `User-Agent`.
            body: What is sent with it.
            seconds: For all of it together.
            max_bytes: The longest answer.
        is_cut: Whether the rest of a longer one does not matter.

        Raises:
            NoAnswer: There was none; the message says why.
        """
        self._deadline.start(seconds)
        try:
            asked = httpx.URL(url)
            port = asked.port
            target = httpcore.URL(scheme=asked.raw_scheme, host=asked.raw_host, port=port, target=asked.raw_path)
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise NoAnswer(f"no usable URL: {error}") from error
        told: list[tuple[bytes | str, bytes | str]] = [("User-Agent", "cleanplate"), *headers.items()]
        found = bytearray()
        try:
            with self._pool.stream(method, target, headers=told, content=body) as response:
                for chunk in response.iter_stream():
                    found += chunk
                    if len(found) > max_bytes and is_cut:
                        break
                    if len(found) > max_bytes:
                        raise NoAnswer(f"the answer is over {max_bytes} bytes")
                named = {name.decode("latin-1").lower(): each.decode("latin-1") for name, each in response.headers}
                return Reply(response.status, bytes(found), named)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        except (SourceError, httpcore.UnsupportedProtocol, ValueError) as error:
            raise NoAnswer(str(error)) from error

    def close(self) -> None:
        """Close what is open."""
        self._pool.close()
