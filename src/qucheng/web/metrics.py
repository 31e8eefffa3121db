"""What the metrics count. Labels are names of the program's own: routes, methods, queues, states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prometheus_client

from qucheng.core import task

if TYPE_CHECKING:
    from qucheng.core import health

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

STATES = ("waiting", "running", "dead")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)


class Metrics:
    """A registry of its own for each app."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self._requests = prometheus_client.Counter(
            "qucheng_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = prometheus_client.Histogram(
            "qucheng_request_seconds", "How long an answer took.", ("method", "route"), buckets=SECONDS, registry=self.registry
        )
        prometheus_client.ProcessCollector(registry=self.registry)

    def request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self, figures: health.Figures | None) -> bytes:
        """In Prometheus' format. What the database would say is left out when it does not answer."""
        asked = prometheus_client.CollectorRegistry()
        _gauge(asked, "qucheng_database_up", "1 while the database takes a write.", int(figures is not None))
        if figures is not None:
            tasks = prometheus_client.Gauge(
                "qucheng_tasks", "Tasks that have not ended well.", ("queue", "state"), registry=asked
            )
            for queue, state in ((queue, state) for queue in task.QUEUES for state in STATES):
                tasks.labels(queue, state).set(figures.tasks.get((queue, state), 0))
            _gauge(asked, "qucheng_oldest_waiting_seconds", "How long the oldest due task has waited.", figures.oldest_waiting)
            _gauge(asked, "qucheng_workers", "Workers seen lately.", figures.workers)
            _gauge(asked, "qucheng_webs", "Web processes seen lately.", figures.webs)
            _gauge(asked, "qucheng_books_differing", "Brands whose last check found differences.", figures.books_differing)
        return prometheus_client.generate_latest(self.registry) + prometheus_client.generate_latest(asked)


def _gauge(registry: prometheus_client.CollectorRegistry, name: str, meaning: str, value: float) -> None:
    prometheus_client.Gauge(name, meaning, registry=registry).set(value)
