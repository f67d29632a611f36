"""Undoing a server's Content-Encoding without ever holding more than the bound, however much a few bytes unpack to."""

import zlib

from core.errors import SourceRefused, SourceUnreachable


class BodyDecoder:
    """Collects a body.

    Args:
        encoding: The Content-Encoding header. None was asked for, but some servers compress everything.
        max_bytes: Unpacking stops here.

    Raises:
        SourceRefused: The encoding is not one of gzip and deflate.
    """

    def __init__(self, encoding: str | None, max_bytes: int) -> None:
        name = (encoding or "identity").strip().lower()
        if name not in {"identity", "gzip", "x-gzip", "deflate"}:
            raise SourceRefused(
                "content_encoding", f"The server sent the encoding {name[:40]!r}, which was not asked for."
            )
        # 32 lets zlib tell gzip from zlib by the header.
        self._inflater = None if name == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._max_bytes = max_bytes
        self._body = bytearray()

    def feed(self, chunk: bytes) -> int:
        """Take a part of the body and return how many decoded bytes there are so far.

        Raises:
            SourceUnreachable: The encoding is broken.
        """
        if self._inflater is None:
            self._body += chunk
            return len(self._body)
        room = self._max_bytes - len(self._body)
        if room > 0:
            try:
                self._body += self._inflater.decompress(chunk, room)
            except zlib.error as error:
                raise SourceUnreachable("content_encoding", "What the server compressed cannot be unpacked.") from error
        return len(self._body)

    def finish(self) -> bytes:
        """Return the whole body.

        Raises:
            SourceUnreachable: It ended too early.
        """
        if self._inflater is not None and not self._inflater.eof:
            raise SourceUnreachable("content_encoding", "What the server compressed ends too early.")
        return bytes(self._body)
