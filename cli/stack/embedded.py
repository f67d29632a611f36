"""The two embedded servers."""

from cli.stack.postgres import EmbeddedPostgres
from cli.stack.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]
