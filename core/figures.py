"""Numbers, shares, sizes, lengths and moments of time, as people read them: one way each, in every door."""

from datetime import UTC, datetime

_ROUNDS_UP = 999.5


def count(number: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{int(number):,}"


def counted(number: float, one: str, many: str = "") -> str:
    """Return how many there are of something, such as `1 photo` or `2,000 photos`.

    Args:
        number: How many.
        one: What one of them is called.
        many: What several are called, unless it is `one` with an s.
    """
    return f"{count(number)} {one if number == 1 else many or f'{one}s'}"


def percent(share: float | None) -> str:
    """Return a share from 0 to 1 as a percentage."""
    if share is None:
        return "–"
    return f"{share * 100:.{2 if 0 < share < 0.01 else 1}f}%"


def size(number: float | None) -> str:
    """Return a number of bytes as people say it."""
    if number is None:
        return "–"
    part, unit = number / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if part < _ROUNDS_UP:
            break
        part, unit = part / 1000, larger
    return f"{part:,.0f} {unit}" if part >= 100 or unit == "kB" else f"{part:.3g} {unit}"


def duration(seconds: float | None) -> str:
    """Return a length of time as people say it."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit, name, part, part_name in (
        (100, 1, "s", 0, ""),
        (5400, 60, "min", 0, ""),
        (129_600, 3600, "h", 60, "min"),
    ):
        if seconds < limit:
            whole, rest = divmod(int(seconds), unit)
            more = f" {rest // part} {part_name}" if part and rest // part else ""
            return f"{whole} {name}{more}"
    return f"{seconds / 86_400:.1f} days"


def ago(when: datetime | None, now: datetime) -> str:
    """Return how long ago something was."""
    if when is None:
        return "never"
    seconds = (now - when).total_seconds()
    return "just now" if seconds < 2 else f"{duration(seconds)} ago"


def moment(when: datetime | None) -> str:
    """Return a time in full, with its zone."""
    return "–" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(when: datetime) -> str:
    """Return a time of today, with its zone."""
    return f"{when.astimezone(UTC):%H:%M:%S} UTC"
