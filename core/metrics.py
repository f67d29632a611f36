"""Showing metrics to Prometheus, each process its own, or all of a machine's stack together.

With PROMETHEUS_MULTIPROC_DIR set, as the local stack does for its processes, each of them writes what it counts into
that folder, and only web's /metrics shows it: the sum would be counted once for each that did.
"""

import errno
import logging
import os

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
TRIES = 16


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """Return what this process shows: what was counted, and what these collectors read when they are asked."""
    registry = CollectorRegistry()
    if os.environ.get(FOLDER_VARIABLE):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    for collector in collectors:
        registry.register(collector)
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """Return the metrics as Prometheus reads them."""
    return generate_latest(registry)


def serve_metrics(host: str, port: int, *collectors: Collector) -> int | None:
    """Show metrics over HTTP, in a thread, for as long as this process lives.

    Args:
        host: Where to listen.
        port: The port, or the next free one of the fifteen after it, since several workers may run here; 0 for none.
        collectors: What is read when somebody asks.

    Returns:
        The port; None when metrics are not shown.
    """
    if not port:
        return None
    if os.environ.get(FOLDER_VARIABLE):
        log.info("no port shows metrics, as %s is set: web's /metrics shows those of all", FOLDER_VARIABLE)
        return None
    for tried in range(port, min(port + TRIES, 65_536)):
        try:
            start_http_server(tried, host, registry_of(*collectors))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            log.warning("metrics cannot be shown at %s:%s: %s", host, tried, error)
            return None
        log.info("metrics are at http://%s:%s/metrics", host, tried)
        return tried
    log.warning("no port from %s to %s is free at %s: metrics are not shown", port, port + TRIES - 1, host)
    return None
