"""Fetching a photo or an output by URL: public addresses only, bounded in bytes and in time, at every redirect."""

import base64
import re
import ssl
import threading
from dataclasses import dataclass, field
from math import inf
from urllib.parse import unquote_to_bytes

import httpcore
import httpx

from core.disposition import name_told
from core.errors import SourceRefused, SourceUnreachable
from core.net.addresses import AllowList, address_of, is_public
from core.net.dialer import CheckedBackend
from core.net.trust import make_tls
from core.net.wire import Deadline
from core.shown import url_for_people
from photos.body import BodyDecoder

MAX_REDIRECTS = 5
KEPT_CONNECTIONS = 2
IDLE_SECONDS = 10.0
TOO_LARGE = "too_large"

_HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9a-fA-F:.]+")
_WHOLE = re.compile(r"bytes 0-([0-9]{1,15})/([0-9]{1,15})")
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL gave.

    Args:
        data: The whole body, decoded.
        content_type: As the server said it; not to be trusted.
        final_url: After redirects, without credentials.
        is_public: Whether every address on the way was public and no credentials were needed, so that somebody else
            can fetch the same URL.
        name: What the server calls the file; not to be trusted.
    """

    data: bytes = field(repr=False)
    content_type: str | None
    final_url: str
    is_public: bool
    name: str = ""


class _Session:
    """One thread's connections, kept for what it asks the same server next, and the deadline they share."""

    def __init__(self, allow: AllowList, tls: ssl.SSLContext) -> None:
        self.deadline = Deadline()
        self._backend = CheckedBackend(allow, self.deadline)
        self._tls = tls
        self._kept: dict[str, httpcore.HTTP11Connection] = {}

    def ask(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request, over a new connection or one that is kept and still good."""
        origin = request.url.origin
        server = str(origin)
        connection = self._kept.pop(server, None)
        if connection is not None and (not connection.is_idle() or connection.has_expired()):
            connection.close()
            connection = None
        connection = connection or self._connect(origin)
        # The last is the one that was used last.
        self._kept[server] = connection
        for oldest in list(self._kept)[:-KEPT_CONNECTIONS]:
            self._kept.pop(oldest).close()
        return connection.handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def _connect(self, origin: httpcore.Origin) -> httpcore.HTTP11Connection:
        stream = self._backend.connect_tcp(origin.host.decode("ascii"), origin.port)
        if origin.scheme == b"https":
            stream = stream.start_tls(self._tls, origin.host.decode("ascii"))
        return httpcore.HTTP11Connection(origin, stream, keepalive_expiry=IDLE_SECONDS)


class Fetcher:
    """Fetches URLs; safe to share between threads, each of which keeps its own connections.

    Args:
        timeout_seconds: For the whole fetch, redirects included. Only the system's name resolution can outlast it.
        max_bytes: The largest body taken, counted after decoding.
        allow_private: Comma-separated host names, addresses or networks that may be private.
        user_agent: Sent to every server.

    Raises:
        UsageError: `allow_private` cannot be read.
    """

    def __init__(
        self, timeout_seconds: float, max_bytes: int, allow_private: str = "", user_agent: str = "cleanplate"
    ) -> None:
        self._timeout = timeout_seconds
        self._max_bytes = max_bytes
        self._allow = AllowList(allow_private)
        self._user_agent = user_agent.encode("ascii", "replace")
        self._tls = make_tls()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: dict[threading.Thread, _Session] = {}

    def get(self, url: str, *, max_bytes: int | None = None, most_seconds: float = inf) -> Fetched:
        """Return what a URL gives.

        Args:
            url: http or https. A user name and password in it are sent as basic authentication to that server only.
            max_bytes: The largest body taken, if not the one given for all fetches.
            most_seconds: Ends it earlier than the time given for all fetches.

        Raises:
            SourceRefused: No repetition will help: no usable URL, a forbidden address, too large, too many redirects.
            SourceUnreachable: It could not be fetched this time; `http_status` says what the server answered.
        """
        session = self._session()
        session.deadline.start(min(self._timeout, most_seconds))
        target = _parse(url)
        everywhere_public = not target.userinfo
        for _ in range(MAX_REDIRECTS + 1):
            response = self._request(session, target)
            try:
                everywhere_public = everywhere_public and _peer_is_public(response)
                location = _header(response, b"location")
                if response.status in _REDIRECTS and location is not None:
                    target = _follow(target, location)
                    continue
                if response.status != 200 and not _is_whole(response):
                    raise SourceUnreachable(
                        f"http_{response.status}", f"{_shown(target)} answered HTTP {response.status}.", response.status
                    )
                data = self._read(response, target, max_bytes or self._max_bytes)
            finally:
                response.close()
            content_type = _header(response, b"content-type")
            name = name_told(_header(response, b"content-disposition"))
            final_url = str(target.copy_with(userinfo=b"") if target.userinfo else target)
            return Fetched(data, content_type, final_url, everywhere_public, name)
        raise SourceRefused("too_many_redirects", f"{_shown(_parse(url))} redirects more than {MAX_REDIRECTS} times.")

    def close(self) -> None:
        """Close every thread's connections; to be called once no fetch is under way."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()
            self._local = threading.local()

    def _session(self) -> _Session:
        session: _Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _Session(self._allow, self._tls)
            with self._lock:
                for thread in [thread for thread in self._sessions if not thread.is_alive()]:
                    self._sessions.pop(thread).close()
                self._sessions[threading.current_thread()] = session
        return session

    def _request(self, session: _Session, target: httpx.URL) -> httpcore.Response:
        headers = [
            (b"Host", target.netloc),
            (b"User-Agent", self._user_agent),
            (b"Accept", b"image/*, */*;q=0.5"),
            (b"Accept-Encoding", b"identity"),
        ]
        if target.userinfo:
            headers.append((b"Authorization", b"Basic " + base64.b64encode(unquote_to_bytes(target.userinfo))))
        url = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        request = httpcore.Request(b"GET", url, headers=headers)
        try:
            try:
                return session.ask(request)
            except (httpcore.ReadError, httpcore.RemoteProtocolError):
                # A kept connection may have been closed by the server just now; asking for a photo again is harmless.
                return session.ask(request)
        except _NETWORK_ERRORS as error:
            raise _unreachable(error, target) from error

    def _read(self, response: httpcore.Response, target: httpx.URL, max_bytes: int) -> bytes:
        announced = _header(response, b"content-length")
        if announced and announced.isdecimal() and int(announced) > max_bytes:
            raise _too_large(target, max_bytes)
        decoder = BodyDecoder(_header(response, b"content-encoding"), max_bytes + 1)
        try:
            for chunk in response.iter_stream():
                if decoder.feed(chunk) > max_bytes:
                    raise _too_large(target, max_bytes)
        except _NETWORK_ERRORS as error:
            raise _unreachable(error, target) from error
        return decoder.finish()


_NETWORK_ERRORS = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


def _parse(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url.strip())
        port = target.port
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceRefused("url_invalid", "This is not a URL that can be fetched.") from error
    if target.scheme not in {"http", "https"}:
        raise SourceRefused(
            "url_scheme", f"Photos are fetched over http and https, not {target.scheme or 'no scheme'}."
        )
    if not _HOST.fullmatch(target.raw_host) or port == 0:
        raise SourceRefused("url_invalid", "The URL names no host that can be asked.")
    # A copy is parsed anew.
    return target.copy_with(fragment=None) if "#" in url else target


def _follow(target: httpx.URL, location: str) -> httpx.URL:
    try:
        joined = target.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise SourceRefused("url_invalid", f"{_shown(target)} redirects to something that is no URL.") from error
    # Credentials are for the server they were given for, and a redirect gets to name none of its own.
    keeps = (joined.scheme, joined.host, joined.port) == (target.scheme, target.host, target.port)
    return _parse(str(joined.copy_with(userinfo=target.userinfo if keeps else b"")))


def _unreachable(error: Exception, target: httpx.URL) -> SourceUnreachable:
    shown = _shown(target)
    match error:
        case httpcore.ConnectError():
            return SourceUnreachable("connect_failed", f"{shown}: could not connect ({error}).")
        case httpcore.TimeoutException():
            return SourceUnreachable("fetch_timeout", f"{shown} did not arrive in time.")
        case _:
            return SourceUnreachable("connection_lost", f"{shown}: the connection broke ({error}).")


def _shown(target: httpx.URL) -> str:
    # Failures are grouped by their words, so that parameters would part what belongs together.
    return url_for_people(str(target.copy_with(query=None)))


def _too_large(target: httpx.URL, max_bytes: int) -> SourceRefused:
    return SourceRefused(TOO_LARGE, f"{_shown(target)} is larger than {max_bytes:,} bytes, the most taken.")


def _is_whole(response: httpcore.Response) -> bool:
    """Whether a part was sent, unasked, that is all there is (RFC 9110, 14.4)."""
    told = _WHOLE.fullmatch(_header(response, b"content-range") or "") if response.status == 206 else None
    return told is not None and int(told[1]) + 1 == int(told[2])


def _header(response: httpcore.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return value.decode("latin-1")
    return None


def _peer_is_public(response: httpcore.Response) -> bool:
    return is_public(address_of(response.extensions["network_stream"].get_extra_info("server_addr")))
