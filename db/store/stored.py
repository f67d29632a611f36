"""What is found in a store."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes in a folder or a bucket."""

    uri: str
    modified_at: datetime
