"""One trace for each photo, from intake to artifact."""

import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from core import tracing
from db import requeues
from tests.ops.conftest import PHOTOS, Watched


def by_trace(watched: Watched) -> dict[bytes, list[Any]]:
    found: defaultdict[bytes, list[Any]] = defaultdict(list)
    for span in watched.collector.spans:
        found[span.trace_id].append(span)
    return found


def job_of(span: Any) -> int | None:
    return next((each.value.int_value for each in span.attributes if each.key == "cleanplate.job"), None)


def test_each_photo_is_one_trace(watched: Watched) -> None:
    watched.fleet.wait_until(lambda: sum(span.name == "job" for span in watched.collector.spans) == PHOTOS + 1, 120)
    traces = by_trace(watched)
    assert len(traces) == PHOTOS + 1
    whole, retried = 0, 0
    for spans in traces.values():
        assert len({job_of(span) for span in spans} - {None}) == 1
        root = next(span for span in spans if span.name == "job")
        assert root.parent_span_id == b""
        ids = {span.span_id for span in spans}
        for span in spans:
            if span is not root:
                assert span.parent_span_id in ids
                assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        names = [span.name for span in spans]
        assert names.count("intake") == names.count("wait") == 1
        if "store" in names:
            whole += 1
            assert {"run", "fetch", "fit", "call", "collect", "store"} <= set(names)
            retried += names.count("run") == 2
    assert whole == PHOTOS
    assert retried == 1


def about(span: Any) -> dict[str, Any]:
    return {each.key: each.value.int_value or each.value.string_value for each in span.attributes}


def test_an_execution_says_whose_it_was_and_whether_it_failed(watched: Watched) -> None:
    # One photo is tried twice, and one is none.
    watched.fleet.wait_until(lambda: sum(span.name == "run" for span in watched.collector.spans) == PHOTOS + 2, 120)
    runs = [span for span in watched.collector.spans if span.name == "run"]
    assert all(about(span).keys() >= {"cleanplate.lane", "cleanplate.worker"} for span in runs)
    ended = sorted((about(span)["cleanplate.state"], span.status.code, span.status.message) for span in runs)
    assert [state for state, code, _ in ended if code == Status.STATUS_CODE_ERROR] == ["dead", "pending"]
    assert {message for state, _, message in ended if state == "pending"} == {"801"}
    calls = [about(span)["cleanplate.attempt"] for span in runs if "cleanplate.attempt" in about(span)]
    assert len(set(calls)) == len(calls) == PHOTOS + 1
    [dead] = [
        span for span in watched.collector.spans if span.name == "job" and about(span)["cleanplate.state"] == "dead"
    ]
    assert dead.status.code == Status.STATUS_CODE_ERROR


def test_a_photo_sent_round_again_has_another_outermost_span_in_its_trace(watched: Watched) -> None:
    with watched.fleet.engine.begin() as connection:
        assert requeues.requeue(connection, watched.batch, None) == 1
    watched.fleet.wait_until(lambda: sum(span.name == "job" for span in watched.collector.spans) == PHOTOS + 2, 120)
    rounds = [span for span in watched.collector.spans if span.name == "job" and span.status.code]
    assert len({span.trace_id for span in rounds}) == 1
    assert len({span.span_id for span in rounds}) == 2


def test_without_an_endpoint_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    tracing.start("test", "account")
    with tracing.run(1, 1, made_at=datetime.now(UTC)), tracing.span("call"):
        tracing.tell(code="200")
        tracing.end("succeeded", "200")
    assert tracing._tracing is None


def test_without_the_packages_one_line_says_so() -> None:
    program = (
        "import datetime, logging, sys; logging.basicConfig(); sys.modules['opentelemetry'] = None\n"
        "from core import tracing\ntracing.start('worker', 'a')\n"
        "with tracing.run(1, 1, made_at=datetime.datetime.now(datetime.UTC)): tracing.end('succeeded', '200')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("cleanplate[tracing]") == 1
