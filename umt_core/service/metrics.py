"""What is counted for ``/metrics``, in Prometheus's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from umt_core.engine import EngineStats

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # upper ends of the histogram


class Metrics:
    """Requests of one service, and what its engine does."""

    def __init__(self, stats: Callable[[], EngineStats], is_ready: Callable[[], bool]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "mner_http_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "mner_http_request_seconds",
            "From a request's first byte to the last of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Engine(stats, is_ready))

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Engine(Collector):
    def __init__(self, stats: Callable[[], EngineStats], is_ready: Callable[[], bool]) -> None:
        self.stats = stats
        self.is_ready = is_ready

    def collect(self) -> Iterator[Metric]:
        stats = self.stats()
        yield GaugeMetricFamily("mner_ready", "1 when models are loaded.", value=float(self.is_ready()))
        yield CounterMetricFamily("mner_engine_tweets", "Tweets asked about.", value=stats.requests)
        yield CounterMetricFamily(
            "mner_engine_answered_from_memory", "Tweets answered from memory.", value=stats.answered_from_memory
        )
        yield CounterMetricFamily(
            "mner_engine_joined", "Tweets answered with the same question that was being computed.", value=stats.joined
        )
        yield CounterMetricFamily("mner_engine_batches", "Batches computed.", value=stats.batches)
        yield CounterMetricFamily("mner_engine_out_of_memory", "Batches too large.", value=stats.out_of_memory)
        yield GaugeMetricFamily("mner_engine_tweets_per_batch", "Mean.", value=stats.tweets_per_batch)
        yield GaugeMetricFamily("mner_engine_waiting", "Tweets in the queue.", value=stats.waiting)
        yield GaugeMetricFamily("mner_engine_checkpoints_loaded", "Checkpoints.", value=len(stats.loaded))
