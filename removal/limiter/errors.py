"""What the limiter raises."""

from core.errors import RedisDown


class LimiterUnavailable(RedisDown):
    """Redis does not answer, so nobody may call; nothing was sent. The cause is attached."""


class SlotMoved(Exception):
    """The slot is later than the call could still be made as things were; the permit keeps its place in the queue."""
