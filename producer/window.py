"""How many jobs may be in Redis or running at once."""

import math

SLACK_SECONDS = 2.0
ASSUMED_LATENCY_SECONDS = 2.0


def window_size(rate: float, latency_seconds: float | None) -> int:
    """Return the number of jobs that keeps the quota busy and nothing more (Little's law).

    Args:
        rate: Calls per second.
        latency_seconds: Measured mean duration of a call; None when nothing was measured yet.
    """
    latency = ASSUMED_LATENCY_SECONDS if latency_seconds is None else latency_seconds
    return max(2, math.ceil(rate * (latency + SLACK_SECONDS)))
