"""What the limiter raises."""

from core.errors import RedisDown


class LimiterUnavailable(RedisDown):
    """Redis does not answer, so nobody may call; nothing was sent. The cause is attached."""
