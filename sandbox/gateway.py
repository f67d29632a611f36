"""`POST /ai/image/removal` of the gateway, the API that the sandbox speaks by default."""

from __future__ import annotations

from sandbox import answers, signing
from sandbox.answers import HttpAnswer, RefusalError
from sandbox.dialects import Received
from sandbox.photos import PhotoBounds
from sandbox.requests import ErasureRequest, read_request
from sandbox.settings import SandboxSettings


class Gateway:
    """The dialect with `resCode` and gateway envelopes; all its answers but one style of throttling are HTTP 200."""

    bounds = PhotoBounds(min_side=512, max_side=3000, formats=("JPEG", "PNG", "BMP"))

    def refuse(self, call: Received, settings: SandboxSettings, now: float) -> HttpAnswer | None:
        refused = signing.gateway_error(
            call.query,
            key=settings.key,
            secret=settings.secret,
            now=now,
            tolerance_seconds=settings.clock_tolerance_seconds,
        )
        return answers.gateway(refused) if refused else None

    def read(self, call: Received, body: bytes) -> ErasureRequest:
        return read_request(body, call.query)

    def success(self, output_url: str | None, size: tuple[int, int]) -> HttpAnswer:  # noqa: ARG002 - every dialect's signature
        return answers.success(output_url)

    def refusal(self, error: RefusalError) -> HttpAnswer:
        return answers.refusal(error.code, error.detail)

    def throttled(self, settings: SandboxSettings) -> HttpAnswer:
        return answers.throttled(settings.throttle_style, settings.ban_seconds)

    def fault(self, name: str, settings: SandboxSettings) -> HttpAnswer:
        if name.isdigit():
            return answers.refusal(int(name))
        return answers.gateway(name, ban_seconds=settings.ban_seconds)
