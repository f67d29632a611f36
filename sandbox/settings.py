"""What a sandbox can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ThrottleStyle = Literal["rescode", "http429", "gateway"]
THROTTLE_STYLES: tuple[ThrottleStyle, ...] = ("rescode", "http429", "gateway")


@dataclass(frozen=True)
class SandboxSettings:
    """Settings of one sandbox; those named in `LIVE` can change while it runs.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes any free one.
        key: app key that calls must carry.
        secret: secret that calls must be signed with.
        rate: calls accepted in any sliding second; 0 keeps no quota; below 1, one call in each 1/rate seconds.
        latency: seconds that a removal call takes at least.
        faults: share of accepted calls (0 to 1) by fault name; `sandbox.faults` lists the names.
        seed: makes the choice of faulty calls repeatable.
        names: names that element 2 takes out, compared without case.
        echo: never erase; every accepted photo comes back as it was sent.
        throttle_style: how a call over the quota is answered.
        ban_seconds: seconds told in `Retry-After` and in the gateway's ban text.
        timeout_seconds: how long the `timeout` fault holds a call.
        slow_seconds: what the `slow` fault adds to the latency.
        clock_tolerance_seconds: how far a call's timestamp may be from this machine's clock.
        fetch_timeout_seconds: time allowed for getting an `image_url`.
        output_seconds: how long an output can be fetched.
        output_megabytes: outputs kept in memory at most; the oldest go first.
        keep_times: tell every accepted call's time in the statistics, however many there are.
    """

    host: str = "127.0.0.1"
    port: int = 0
    key: str = "sandbox"
    secret: str = field(default="sandbox", repr=False)
    rate: float = 5.0
    latency: float = 0.0
    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    names: tuple[str, ...] = ()
    echo: bool = False
    throttle_style: ThrottleStyle = "rescode"
    ban_seconds: int = 1
    timeout_seconds: float = 60.0
    slow_seconds: float = 5.0
    clock_tolerance_seconds: float = 900.0
    fetch_timeout_seconds: float = 10.0
    output_seconds: float = 3600.0
    output_megabytes: int = 512
    keep_times: bool = False


LIVE = frozenset(
    {
        "rate",
        "latency",
        "faults",
        "names",
        "echo",
        "throttle_style",
        "ban_seconds",
        "timeout_seconds",
        "slow_seconds",
        "clock_tolerance_seconds",
        "output_seconds",
    }
)
