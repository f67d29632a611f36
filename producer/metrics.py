"""What a dispatcher counts."""

from prometheus_client import Counter

from core.states import JobState, Lane

RESCUES = Counter("cleanplate_rescues", "Photos taken back from silent workers", ["state"])
DISPATCHED = Counter("cleanplate_dispatched", "Photos sent to workers", ["lane"])
LOST_MESSAGES = Counter(
    "cleanplate_lost_messages", "Messages that were gone, from Redis or with their worker, and sent again"
)

# What is first seen at some value has not grown for Prometheus: it must be there, at 0, before anything happens.
for _lane in Lane:
    DISPATCHED.labels(_lane.value)
for _state in (JobState.PENDING, JobState.HELD, JobState.DEAD, JobState.CANCELLED):
    RESCUES.labels(_state.value)
