"""The fleet-wide limiter. In any second, over all workers, no more calls than the account may make.

limiter = Limiter(redis_client, account, rate=5)
permit = limiter.reserve()
permit = limiter.wait_until_due(permit, cancelled=stopping)
...                                     # send at once, unless permit.settled
limiter.settle(permit, Outcome.OK, latency_seconds=1.2)
"""

from removal.limiter.errors import LimiterUnavailable, SlotMoved
from removal.limiter.limiter import Limiter
from removal.limiter.permit import Outcome, Permit
from removal.limiter.view import LimiterView, view

__all__ = ["Limiter", "LimiterUnavailable", "LimiterView", "Outcome", "Permit", "SlotMoved", "view"]
