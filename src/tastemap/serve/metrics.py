"""What is counted for Prometheus; with several processes, the sum over all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from tastemap.serve.served import Served

# Seconds of answers, and jobs of batches, up to which each bin goes.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

# Where several processes write their counts, as prometheus-client reads it when it is imported.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        # Of its own: an application in a notebook is made more than once.
        own: Any = {"registry": CollectorRegistry()}
        self._registry = own["registry"]
        labels = ["route", "status"]
        self._requests = Counter("tastemap_requests", "Answers by route and status", labels, **own)
        self._seconds = Histogram("tastemap_request_seconds", "Seconds of answers", ["route"], buckets=SECONDS, **own)
        self._sizes = Histogram("tastemap_batch_size", "Requests that were ranked together", buckets=SIZES, **own)
        self._events = Counter("tastemap_events", "Events written to the journal", **own)
        self._failures = Counter("tastemap_reload_failures", "Files that could not be read again", ["model"], **own)
        loaded = "When the model was read, in seconds since 1970"
        self._loaded = Gauge("tastemap_model_loaded", loaded, ["model"], multiprocess_mode="livemin", **own)
        age = "Seconds since the model was read"
        self._age = Gauge("tastemap_model_age_seconds", age, ["model"], multiprocess_mode="livemax", **own)
        self._count = cache(self._requests.labels)
        self._time = cache(self._seconds.labels)

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._count(route, status).inc()
        self._time(route).observe(seconds)

    def observe_batch(self, size: int) -> None:
        """Count a batch."""
        self._sizes.observe(size)

    def count_events(self, n: int) -> None:
        """Count events that are in the journal."""
        self._events.inc(n)

    def count_failure(self, model: str) -> None:
        """Count a file that could not be read again."""
        self._failures.labels(model).inc()

    def render(self, models: Iterable[Served]) -> bytes:
        """Return everything in the form of Prometheus."""
        now = time.time()
        for served in models:
            self._loaded.labels(served.name).set(served.loaded)
            self._age.labels(served.name).set(now - served.loaded)
        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
