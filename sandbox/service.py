"""One removal call, from its arrival to its answer."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from PIL import ImageOps

from sandbox import answers, faults
from sandbox.alibabacloud import AlibabaCloudDialect
from sandbox.answers import HttpAnswer, RefusalError
from sandbox.dialects import Dialect, Received
from sandbox.erasers import get_eraser
from sandbox.faults import Faults
from sandbox.gateway import Gateway
from sandbox.masks import paint
from sandbox.outputs import Outputs
from sandbox.photos import SentPhoto, encode, get_photo
from sandbox.quota import Quota
from sandbox.requests import ErasureRequest
from sandbox.settings import LIVE, THROTTLE_STYLES, SandboxSettings
from sandbox.stats import Stats
from sandbox.wish import Wish

REMOVAL_PATH = "/rest/ai/image/removal"
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "BMP": "bmp", "WEBP": "webp"}


class HangUpError(Exception):
    """Close the connection without an answer, after holding it for `hold_seconds`."""

    def __init__(self, code: str, hold_seconds: float = 0.0) -> None:
        super().__init__(code)
        self.code = code
        self.hold_seconds = hold_seconds


DRAWN_AT_ONCE = os.cpu_count() or 1
"""Each photo takes some 100 MB while it is erased, and more at once only fight for the same cores."""


class Service:
    """What the HTTP server serves; every method may be called from many threads."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.quota = Quota(settings.rate)
        self.faults = Faults(settings.faults, settings.seed)
        self.stats = Stats(keep_times=settings.keep_times)
        self.outputs = Outputs(megabytes=settings.output_megabytes)
        self.stopping = threading.Event()
        self.gateway = Gateway()
        self.alibabacloud = AlibabaCloudDialect()
        self._config_lock = threading.Lock()
        self._easels = threading.BoundedSemaphore(DRAWN_AT_ONCE)

    def configure(self, **changes: Any) -> None:
        """Changes live settings, and `next`: the exact sequence of faults for the coming calls.

        Raises:
            ValueError: an unknown setting or a value that cannot be; nothing was changed then.
        """
        script = faults.parse_script(changes.pop("next")) if "next" in changes else None
        unknown = sorted(set(changes) - LIVE)
        if unknown:
            raise ValueError(f"cannot change {', '.join(unknown)}; these can change: next, {', '.join(sorted(LIVE))}")
        if isinstance(changes.get("faults"), str):
            changes["faults"] = faults.parse_shares(changes["faults"])
        if "faults" in changes:
            changes["faults"] = faults.check_shares(changes["faults"])
        if "names" in changes:
            changes["names"] = tuple(changes["names"])
        if changes.get("throttle_style", THROTTLE_STYLES[0]) not in THROTTLE_STYLES:
            raise ValueError(f"throttle_style is one of {', '.join(THROTTLE_STYLES)}")
        for name in ("rate", "latency", "timeout_seconds", "slow_seconds", "ban_seconds", "output_seconds"):
            if name in changes and not (isinstance(changes[name], int | float) and changes[name] >= 0):
                raise ValueError(f"{name} must be a number, 0 or more")
        with self._config_lock:
            self.settings = replace(self.settings, **changes)
            self.quota.rate = self.settings.rate
            if "faults" in changes:
                self.faults.set_shares(self.settings.faults)
            if script is not None:
                self.faults.set_script(script)

    def reset(self) -> None:
        """Forgets counts, the quota's memory, outputs and the script; settings stay."""
        self.stats.reset()
        self.quota.reset()
        self.faults.reset()
        self.outputs.clear()

    def dialect_of(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Dialect | None:
        """The API that a call is meant for: an action's name wins over the path; None when it is no removal call."""
        if path in {"/", REMOVAL_PATH} and ("x-acs-action" in headers or "Action" in query):
            return self.alibabacloud
        return self.gateway if path == REMOVAL_PATH else None

    def call(self, dialect: Dialect, received: Received, read_body: Callable[[], bytes]) -> HttpAnswer:
        """Serves one removal call and counts it.

        Args:
            dialect: the API it is meant for.
            received: its head.
            read_body: gives the body; it is not called when the connection is to be closed before that.

        Raises:
            HangUpError: there is to be no answer.
        """
        self.stats.arrived(received.arrived)
        code = "gone"
        try:
            answer = self._call(dialect, received, read_body)
            code = answer.code
        except HangUpError as error:
            code = error.code
            raise
        else:
            return answer
        finally:
            self.stats.left(code)

    def _call(self, dialect: Dialect, received: Received, read_body: Callable[[], bytes]) -> HttpAnswer:
        settings, arrived = self.settings, received.arrived
        refused = dialect.refuse(received, settings, time.time())
        if refused:
            read_body()
            return refused
        if not self.quota.take(arrived):
            self.stats.throttled()
            read_body()
            return dialect.throttled(settings)
        self.stats.accepted(arrived)
        fault = self.faults.pick()
        if fault:
            self.stats.fault(fault)
        if fault in faults.BEFORE_BODY:
            raise HangUpError("reset_before")

        body = read_body()
        try:
            request = dialect.read(received, body)
            photo = get_photo(request, dialect.bounds, fetch_timeout_seconds=settings.fetch_timeout_seconds)
            del body
            self.stats.image(hashlib.sha256(photo.data).hexdigest(), paid=fault is None or fault in faults.CHARGED)
            answer = self._work(dialect, fault, request, photo, received.base_url, settings)
        except RefusalError as error:
            answer = dialect.refusal(error)
        extra = settings.slow_seconds if fault == "slow" else 0.0
        self.stopping.wait(max(0.0, arrived + settings.latency + extra - time.monotonic()))
        return answer

    def _work(
        self,
        dialect: Dialect,
        fault: str | None,
        request: ErasureRequest,
        photo: SentPhoto,
        base_url: str,
        settings: SandboxSettings,
    ) -> HttpAnswer:
        if fault == "timeout":
            raise HangUpError("timeout", settings.timeout_seconds)
        if fault == "drop":
            self.stopping.wait(settings.latency)
            raise HangUpError("drop")
        if fault == "html":
            return answers.html(200)
        if fault and fault.startswith("http"):
            return answers.html(int(fault[4:]))
        if fault and (fault.isdigit() or fault[0].isupper()):
            return dialect.fault(fault, settings)
        answer = dialect.success(self._output_url(fault, request, photo, base_url, settings), photo.size)
        if fault == "truncated":
            return replace(answer, code="truncated", body=answer.body[: len(answer.body) // 2])
        return answer

    def _output_url(
        self, fault: str | None, request: ErasureRequest, photo: SentPhoto, base_url: str, settings: SandboxSettings
    ) -> str | None:
        extension = EXTENSIONS[photo.format]
        if fault == "missing_output":
            return None
        if fault == "output_404":
            return f"{base_url}/output/gone.{extension}"
        if fault == "output_html":
            page = answers.html(200).body
            name = self.outputs.add(page, extension, seconds=settings.output_seconds, content_type="text/html")
            return f"{base_url}/output/{name}"
        if fault == "unchanged" or (settings.echo and fault not in {"output_small", "blank"}):
            if request.mask_runs:
                paint(request.mask_runs, photo.size)
            data = photo.data
        else:
            with self._easels:
                data = self._erased(fault, request, photo, settings)
            if data is not photo.data and photo.format == "BMP":
                extension = "png"
        return f"{base_url}/output/{self.outputs.add(data, extension, seconds=settings.output_seconds)}"

    def _erased(self, fault: str | None, request: ErasureRequest, photo: SentPhoto, settings: SandboxSettings) -> bytes:
        image = photo.open()
        if fault == "output_small":
            return encode(image.resize((image.width // 2, image.height // 2)), photo)
        if fault == "blank":
            return encode(ImageOps.invert(image.convert("L")).convert("RGB"), photo)
        wish = Wish(
            subject_elements=request.subject_elements,
            other_elements=request.other_elements,
            names=settings.names,
            mask=paint(request.mask_runs, photo.size) if request.mask_runs else None,
        )
        try:
            erased = get_eraser().erase(image, wish)
        except Exception as error:
            sys.stderr.write("sandbox: erasing failed\n" + traceback.format_exc())
            raise RefusalError(801) from error
        return photo.data if erased is None else encode(erased, photo)
