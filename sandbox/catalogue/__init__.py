"""The sample catalogue: drawn product photos with overlays, and the clean plate each came from."""

from sandbox.catalogue.kept import is_kept, keep
from sandbox.catalogue.make import Sample, make_catalogue

__all__ = ["Sample", "is_kept", "keep", "make_catalogue"]
