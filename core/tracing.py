"""Traces by OpenTelemetry, when OTEL_EXPORTER_OTLP_ENDPOINT is set and the extra `tracing` is installed.

A photo is one trace, from intake to artifact, however many workers run it how often: the trace's id follows from the
job's id, so that messages need carry nothing. The span `job` is told when the photo has ended, its children before.
"""

import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
LAST_SPANS_SECONDS = 2.0
NO_FAILURES = frozenset({"200", "reused", "snoozed"})
ENDED = frozenset({"succeeded", "dead", "held", "cancelled"})

_tracing: "_Tracing | None" = None


def start(role: str, account: str) -> None:
    """Begin to trace if that is asked for; otherwise everything else here costs nothing.

    Args:
        role: What this process is.
        account: Tells this installation's photos from those of another one.
    """
    global _tracing
    if _tracing is not None or not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        _tracing = _Tracing(role, account)
    except ImportError:
        log.warning("traces are asked for, but their packages are missing: pip install 'cleanplate[tracing]'")


def stop() -> None:
    """Send what is not sent yet, and trace no more; a collector that does not take it is not waited for."""
    global _tracing
    if _tracing is not None:
        # It goes on trying to send for as long as it likes, which must keep no process from ending.
        sending = threading.Thread(target=_tracing.provider.shutdown, name="last-spans", daemon=True)
        sending.start()
        sending.join(LAST_SPANS_SECONDS)
    _tracing = None


@contextmanager
def run(
    job_id: int, batch_id: int, *, made_at: datetime, is_first: bool = True, requeues: int = 0, **about: str
) -> Iterator[None]:
    """Trace one execution of a job.

    Args:
        job_id: Which.
        batch_id: Its batch.
        made_at: When it was handed in, by PostgreSQL's clock, so that all its executions say the same.
        is_first: Whether it is its first, so that its intake and its wait are to be told of.
        requeues: How often it has been sent round again; each round has a span `job` of its own.
        about: What else is known of this execution.
    """
    if _tracing is None:
        yield
        return
    with _tracing.run(job_id, batch_id, made_at, is_first=is_first, requeues=requeues):
        tell(**about)
        yield


@contextmanager
def span(name: str) -> Iterator[None]:
    """Trace a part of an execution."""
    if _tracing is None:
        yield
        return
    with _tracing.tracer.start_as_current_span(name):
        yield


def tell(**about: str | int | None) -> None:
    """Say something about the execution that is traced."""
    if _tracing is not None:
        _tracing.tell(about)


def end(state: str, code: str) -> None:
    """Say how an execution ended; once the photo has ended, its trace is whole."""
    if _tracing is not None:
        _tracing.end(state, code)


class _Tracing:
    """What needs the packages."""

    def __init__(self, role: str, account: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        self._api = trace
        self._account = account
        self._of_thread = threading.local()
        of_thread = self._of_thread

        class Ids(RandomIdGenerator):
            """Gives a photo's own ids to its outermost span."""

            def generate_span_id(self) -> int:
                forced = getattr(of_thread, "ids", None)
                return forced[1] if forced else super().generate_span_id()

            def generate_trace_id(self) -> int:
                forced = getattr(of_thread, "ids", None)
                return forced[0] if forced else super().generate_trace_id()

        resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", f"cleanplate-{role}")})
        self.provider = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.tracer = self.provider.get_tracer("cleanplate")

    @contextmanager
    def run(self, job_id: int, batch_id: int, made_at: datetime, *, is_first: bool, requeues: int) -> Iterator[None]:
        from opentelemetry.sdk.trace.sampling import Decision

        ids = _ids_of(self._account, job_id, batch_id, requeues)
        made = int(made_at.timestamp() * 1e9)
        # This machine's clock may be behind.
        began = max(made, time.time_ns())
        about = {"cleanplate.job": job_id, "cleanplate.batch": batch_id}
        self._of_thread.job = (ids, made, about)
        decision = self.provider.sampler.should_sample(None, ids[0], "job").decision
        decided = decision is Decision.RECORD_AND_SAMPLE
        flags = self._api.TraceFlags(self._api.TraceFlags.SAMPLED if decided else self._api.TraceFlags.DEFAULT)
        whole = self._api.NonRecordingSpan(self._api.SpanContext(*ids, is_remote=True, trace_flags=flags))
        context = self._api.set_span_in_context(whole)
        if is_first:
            self.tracer.start_span("intake", context, start_time=made, attributes=about).end(made)
            self.tracer.start_span("wait", context, start_time=made, attributes=about).end(began)
        with self.tracer.start_as_current_span("run", context, attributes=about):
            yield

    def tell(self, about: dict[str, str | int | None]) -> None:
        current = self._api.get_current_span()
        for name, value in about.items():
            if value is not None:
                current.set_attribute(f"cleanplate.{name}", value)

    def end(self, state: str, code: str) -> None:
        self.tell({"state": state, "code": code})
        has_failed = bool(code) and code not in NO_FAILURES and state != "cancelled"
        if has_failed:
            self._api.get_current_span().set_status(self._api.StatusCode.ERROR, code)
        if state not in ENDED:
            return
        from opentelemetry.context import Context

        ids, made, about = self._of_thread.job
        self._of_thread.ids = ids
        try:
            whole = self.tracer.start_span("job", Context(), start_time=made, attributes=about)
        finally:
            self._of_thread.ids = None
        whole.set_attribute("cleanplate.state", state)
        if has_failed:
            whole.set_status(self._api.StatusCode.ERROR, code)
        whole.end()


def _ids_of(account: str, job_id: int, batch_id: int, requeues: int) -> tuple[int, int]:
    """Return the ids of a photo's trace and of its outermost span in this round; neither is ever zero."""
    photo = f"{account} {batch_id} {job_id}"
    trace_id, span_id = (hashlib.sha256(each.encode()).digest() for each in (photo, f"{photo} {requeues}"))
    return int.from_bytes(trace_id[:16], "big") | 1, int.from_bytes(span_id[:8], "big") | 1
