"""Bytes in the table `artifact_bytes`: they commit or vanish together with the job's state."""


class PostgresStore:
    """The database itself."""

    def place_of(self, key: str) -> str:  # noqa: ARG002 - every store's signature
        """Return nothing."""
        return ""

    def upload(self, key: str, data: bytes) -> str:  # noqa: ARG002 - every store's signature
        """Return nothing: the bytes go into the transaction."""
        return ""

    def check(self) -> None:
        """Nothing to do: whoever asks has the database."""

    def holds(self, uri: str) -> bool:
        """Whether a URI is one of the database."""
        return uri.startswith("postgres:")

    def delete(self, uri: str) -> None:
        """Nothing to do: the bytes go with their row."""
