"""Saying before anything is paid for what a shop's file needs to come out again with the URLs of clean photos."""

from pathlib import Path

from core.settings import Settings
from producer.catalogue.format import Reading
from producer.catalogue.source import is_of_shop


def missing_address(settings: Settings, source: str | Path, reading: Reading) -> str:
    """Return what has to be set for a shop's file to come out with new URLs; nothing when all is, or it is none.

    Args:
        settings: Where outputs can be fetched.
        source: What is handed in.
        reading: What the user says of it.

    Raises:
        UsageError: It cannot be read.
    """
    if settings.artifacts_url or not is_of_shop(source, reading):
        return ""
    return (
        "WEB_PUBLIC_URL is not set. It is needed to get this file back with the URLs of the clean photos (`cleanplate "
        "export … --catalogue`): set it in .env to the address at which the shop reaches `cleanplate web`, or "
        "ARTIFACT_PUBLIC_URL to where else outputs are. It may be set later, at no further call; clean photos come out "
        "as files without it."
    )
