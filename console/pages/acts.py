"""What forms hold, and what a page shows after one."""

from starlette.datastructures import FormData

Made = list[tuple[str, str]]
"""What is shown this once: what it is, and its text."""


def told(sent: FormData, name: str) -> str:
    """Return a field of a form, without what surrounds it; empty when it is not there."""
    value = sent.get(name)
    return value.replace("\0", "").strip()[:2000] if isinstance(value, str) else ""
