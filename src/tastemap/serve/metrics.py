"""What is counted for Prometheus; with several processes, the sum over all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

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
        self._waiting = Gauge("tastemap_waiting", "Requests that wait for a batch", multiprocess_mode="livesum", **own)
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

    def observe_waiting(self, n: int) -> None:
        """Note how many requests are waiting."""
        self._waiting.set(n)

    def render(self, models: Iterable[Served]) -> bytes:
        """Return everything in the form of Prometheus; the age of models is that in the process that is asked."""
        shared = os.environ.get(FOLDER)
        registry = self._registry if shared is None else CollectorRegistry()
        if shared is not None:
            _forget_dead(Path(shared))
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        ages = CollectorRegistry()
        ages.register(_Ages(models))
        return generate_latest(registry) + generate_latest(ages)


class _Ages(Collector):
    """How old models are at the moment when somebody asks."""

    def __init__(self, models: Iterable[Served]) -> None:
        self._models = models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the age of each model."""
        family = GaugeMetricFamily("tastemap_model_age_seconds", "Seconds since the model was read", labels=["model"])
        for served in self._models:
            family.add_metric([served.name], time.time() - served.loaded)
        yield family


def _forget_dead(folder: Path) -> None:
    """Leave out what processes that have ended said of the moment; what they counted stays."""
    pids = {file.stem.rpartition("_")[2] for file in folder.glob("gauge_live*_*.db")}
    for pid in pids:
        if pid.isdecimal() and not _runs(int(pid)):
            mark_process_dead(int(pid))  # type: ignore[no-untyped-call]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
