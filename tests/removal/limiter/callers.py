"""A process of the fleet with a clock of its own, some way from a Redis whose clock may be another one tomorrow."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from redis import Redis

from removal.limiter.bucket import Bucket, ScriptAnswer
from removal.limiter.clock import RedisClock
from removal.limiter.lineup import Lineup
from removal.limiter.permit import Permit
from removal.limiter.verbs import Verb
from tests.removal.limiter.simulation import take_in


@dataclass
class World:
    """What time it is.

    Attributes:
        now_us: Really.
        ahead_us: How far Redis' clock is ahead of that.
    """

    now_us: int
    ahead_us: int = 0

    @property
    def redis_us(self) -> int:
        """Return what Redis' clock says."""
        return self.now_us + self.ahead_us


@dataclass(eq=False)
class Caller:
    """One process: its bucket, its clock, and what it knows of the queue, as the limiter uses them.

    Args:
        client: A Valkey.
        account: Whose bucket.
        world: What time it is.
        rate: As it is configured to.
        burst: As it is configured to.
        drift: How much faster its clock goes, as a share.
        offset_seconds: What its clock said in the beginning.
        way_us: How long its words and Redis' answers are on their way, one after the other.
    """

    client: Redis
    account: str
    world: World
    rate: float
    burst: int
    drift: float = 0.0
    offset_seconds: float = 0.0
    way_us: tuple[int, ...] = (0,)
    clock: RedisClock = field(default_factory=RedisClock)
    lineup: Lineup = field(default_factory=Lineup)

    def __post_init__(self) -> None:
        self._bucket = Bucket(self.client, self.account, self.rate, self.burst, self.clock)
        self._ways = list(self.way_us)

    def talk(self, said: Sequence[tuple[Permit, Verb]]) -> list[ScriptAnswer]:
        """Say some verbs in one go, each of a permit, and take in what is answered."""
        sent = self._local()
        self._travel()
        answers = self._bucket.talk([verb for _, verb in said], self.world.redis_us)
        self._travel()
        self.clock.observe(answers[0].now, sent, self._local())
        for (permit, verb), answer in zip(said, answers, strict=True):
            self.lineup.note(permit.lane, answer)
            if verb[0] not in {"settle", "slip"}:
                take_in(permit, answer)
        return answers

    def due_us(self, permit: Permit) -> int:
        """Return the real time at which this process takes a permit to be due."""
        local = self.clock.to_local(self.lineup.due_us(permit))
        return round((local - self.offset_seconds) / (1 + self.drift) * 1e6)

    def _travel(self) -> None:
        self._ways.append(self._ways.pop(0))
        self.world.now_us += self._ways[-1]

    def _local(self) -> float:
        return self.world.now_us / 1e6 * (1 + self.drift) + self.offset_seconds
