"""The two embedded servers."""

from localstack.postgres import EmbeddedPostgres
from localstack.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]
