"""/metrics for Prometheus. Figures of the whole farm come from the database at each scrape, so that they are right over
many processes and restarts; latencies of requests and the process's own figures are this web process's.
"""

from __future__ import annotations

import hmac
import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from ipaddress import IPv6Address, ip_address

from flask import Blueprint, Response, current_app, request
from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from jobs.engine.changes import Watcher
from jobs.erasure.owed import COMFYUI, OURS
from jobs.errors import DatabaseAway
from jobs.farm import Farm
from jobs.figures import Readings, is_redis_up, read_metrics
from jobs.orders.tallies import WAIT_BUCKETS, WORK_BUCKETS, Counts
from jobs.settings import Settings
from web.context import farm
from web.errors import METRICS_LOCAL, METRICS_TOKEN, problem

metrics = Blueprint("metrics", __name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HTTP_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
COUNTERS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("farm_tasks_accepted", "accepted", "Tasks taken in", ("style",)),
    ("farm_tasks_ended", "ended", "Tasks that came to their end", ("style", "status", "kind")),
    ("farm_tasks_revived", "revived", "Failed tasks that were tried again", ("style",)),
    (
        "farm_promises",
        "promises",
        "Pictures that came within the range shown at acceptance, or not",
        ("style", "outcome"),
    ),
    (
        "farm_promises_missed_seconds",
        "promises_missed_seconds",
        "By how much they came before or after that range, in all",
        ("style", "outcome"),
    ),
    ("farm_attempts_retried", "retries", "Attempts that ended with another one to follow", ("resource", "kind")),
    ("farm_fallbacks", "fallbacks", "Steps that changed over to an alternative while they were open", ("style", "why")),
    ("farm_worker_crashes", "crashes", "Workers that died while they held a step", ("resource",)),
    ("farm_repairs", "repairs", "What the reconciler repaired: S7, S8, S10, or a ring", ("move",)),
    ("farm_calls_closed", "calls", "Calls to the outside that were closed", ("resource", "provider", "outcome")),
    ("farm_calls_cost", "cost", "What calls cost, as the providers' answers say", ("provider",)),
)
"""(metric, tally, help, labels) of what only grows."""
HISTOGRAMS: tuple[tuple[str, str, str, tuple[str, ...], tuple[float, ...]], ...] = (
    ("farm_task_wait_seconds", "wait_seconds", "From acceptance to the first start", ("style",), WAIT_BUCKETS),
    ("farm_task_seconds", "task_seconds", "From acceptance to the picture", ("style",), WORK_BUCKETS),
    (
        "farm_step_seconds",
        "step_seconds",
        "From the successful attempt's claim to its pictures",
        ("style", "step", "resource"),
        WORK_BUCKETS,
    ),
)


class RequestMeter:
    """Latencies of this process's requests, by route rule."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._answered = Histogram(
            "farm_http_request_seconds", "Requests, without those that wait for news", labels,
            buckets=HTTP_BUCKETS, registry=registry,
        )  # fmt: skip
        self._followed = Histogram(
            "farm_http_follow_seconds", "Long polls and event streams", labels,
            buckets=(1.0, 5.0, 15.0, 30.0, 60.0, 300.0), registry=registry,
        )  # fmt: skip

    def observe(self, method: str, route: str, status: int, seconds: float, *, follows: bool) -> None:
        """Note one request."""
        histogram = self._followed if follows else self._answered
        histogram.labels(method if method in METHODS else "other", route, str(status)).observe(seconds)


class FarmCollector(Collector):
    """Reads the farm at each scrape."""

    def __init__(self, the_farm: Farm, watcher: Watcher) -> None:
        self._farm = the_farm
        self._watcher = watcher

    def collect(self) -> Iterator[Metric]:
        the_farm, settings = self._farm, self._farm.settings
        build = InfoMetricFamily("farm_build", "What this process runs on")
        build.add_metric([], {name: version(name) for name in ("rq", "flask", "sqlalchemy")})
        yield build
        yield _gauge("farm_redis_up", "Does Redis answer (1) or not (0)", float(is_redis_up(the_farm.redis)))
        yield _gauge("farm_http_followers", "Who waits for news of an order at this process", self._watcher.count())
        try:
            readings = read_metrics(the_farm.database, the_farm.redis, settings)
        except DatabaseAway:
            yield _gauge("farm_database_up", "Does the database answer (1) or not (0)", 0.0)
        else:
            yield _gauge("farm_database_up", "Does the database answer (1) or not (0)", 1.0)
            yield from _show_present(readings, settings.queue_limit)
            yield from _show_kept(readings, settings)
            yield _gauge("farm_events_behind", "Events not rolled up into the tallies yet", readings.tallies.behind)
            if readings.tallies.is_whole:  # a counter is left out rather than going backwards
                yield from _show_counts(readings.tallies.counts)
        folder = the_farm.storage.root if the_farm.storage.root.exists() else the_farm.storage.root.parent
        if folder.exists():
            yield _gauge("farm_disk_free_bytes", "Free space where photos lie", shutil.disk_usage(folder).free)
        yield _gauge("farm_disk_warn_bytes", "Below it operators are warned", settings.disk_warn * 1_000_000)
        yield _gauge("farm_disk_reserve_bytes", "Below it no photo is taken", settings.disk_reserve_mb * 1_000_000)


def make_registry(the_farm: Farm, watcher: Watcher) -> CollectorRegistry:
    """What one web process exports."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(FarmCollector(the_farm, watcher))
    return registry


@metrics.get("/metrics")
def show_metrics() -> Response:
    """The exposition, for who carries the token; without METRICS_TOKEN for this machine only."""
    token = farm().settings.metrics_token
    if token is not None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given = given.strip() if scheme.lower() == "bearer" else ""
        if not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
            return problem(METRICS_TOKEN)
    elif not is_from_this_machine():
        return problem(METRICS_LOCAL)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    response = Response(encode(current_app.extensions["metrics"]), content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


def is_from_this_machine() -> bool:
    """Did the request begin here? A forwarded address can only speak against it: a proxy on this machine forwards for
    others, and whoever reaches us directly may claim anything.
    """
    peer = request.environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR") or request.remote_addr or ""
    claimed = ",".join(request.headers.getlist("X-Forwarded-For")).split(",")
    if request.headers.get("Forwarded"):
        return False
    return all(_is_loopback(address.strip()) for address in [peer, request.remote_addr or "", *filter(None, claimed)])


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _gauge(name: str, sentence: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, sentence, value=value)


def _show_present(readings: Readings, queue_limit: int) -> Iterator[Metric]:
    present = readings.present
    tasks = GaugeMetricFamily("farm_tasks", "Tasks that have not ended", labels=["status"])
    for status in ("queued", "running"):
        tasks.add_metric([status], present.open.get(status, 0))
    yield tasks
    yield _gauge("farm_queue_limit", "Tasks that may wait at most", queue_limit)
    yield _gauge("farm_queue_oldest_seconds", "How long the first in the queue has waited", present.oldest_wait_s)
    for field, sentence in (
        ("workers", "Live workers"),
        ("busy", "Workers with a ring in hand: working, or waiting for room"),
        ("in_flight", "Calls to the outside that hold a slot"),
        ("limit", "Calls that may be in flight over all machines"),
        ("room", "Calls that could start now: below the limit and, for ComfyUI, free places at usable servers"),
        ("queued", "Steps that wait for a worker or for their next attempt"),
    ):
        family = GaugeMetricFamily(f"farm_resource_{field}", sentence, labels=["resource"])
        for name, slots in readings.slots.items():
            family.add_metric([name], getattr(slots, field))
        yield family
    paused = GaugeMetricFamily("farm_paused", "1 for each scope of which nothing starts", labels=["scope"])
    for scope in present.paused:
        paused.add_metric([scope], 1)
    yield paused
    servers = GaugeMetricFamily("farm_servers", "Configured ComfyUI servers", labels=["state"])
    drained = sum(state.drained for state in readings.servers)
    usable = sum(state.usable for state in readings.servers)
    servers.add_metric(["healthy"], usable)
    servers.add_metric(["drained"], drained)
    servers.add_metric(["set_aside"], len(readings.servers) - usable - drained)
    yield servers
    if present.reconciler_age_s is not None:
        yield _gauge("farm_reconciler_age_seconds", "Since the reconciler was last seen", present.reconciler_age_s)
    yield _gauge("farm_database_bytes", "Size of the database", readings.database_bytes)


def _show_kept(readings: Readings, settings: Settings) -> Iterator[Metric]:
    """What is owed of deleted orders, and what ComfyUI's hosts hold, as far as their sweepers say."""
    owed = GaugeMetricFamily("farm_erasures_owed", "What is owed of deleted orders", labels=["place"])
    oldest = GaugeMetricFamily("farm_erasures_oldest_seconds", "How long it has been owed", labels=["place"])
    debts = {debt.place: debt for debt in readings.debts}
    for place in (*OURS, COMFYUI):
        owed.add_metric([place], debts[place].count if place in debts else 0)
        oldest.add_metric([place], debts[place].oldest_s if place in debts else 0)
    yield owed
    yield oldest
    if settings.sweeper_port is None:
        return
    now = datetime.now(UTC)
    copies = GaugeMetricFamily("farm_copies", "Files of ours at a ComfyUI host", labels=["server"])
    age = GaugeMetricFamily("farm_copies_oldest_seconds", "Age of the oldest of them", labels=["server"])
    silent = GaugeMetricFamily("farm_sweeper_silent_seconds", "Since its sweeper was last well", labels=["server"])
    for host in readings.hosts:
        for family, moment in ((age, host.copies_oldest_at), (silent, host.sweeper_silent_at)):
            family.add_metric([host.url], max((now - moment).total_seconds(), 0.0) if moment else 0.0)
        if host.copies is not None:
            copies.add_metric([host.url], host.copies)
    yield from (copies, age, silent)
    yield _gauge("farm_copies_max_age_seconds", "How old such a file may get", settings.copies_max_age_s)


def _show_counts(counts: Counts) -> Iterator[Metric]:
    for name, tally, sentence, labels in COUNTERS:
        family = CounterMetricFamily(name, sentence, labels=labels)
        for (figure, values), value in sorted(counts.items()):
            if figure == tally:
                family.add_metric(values, value)
        yield family
    for name, tally, sentence, labels, bounds in HISTOGRAMS:
        buckets: dict[tuple[str, ...], dict[float, float]] = defaultdict(dict)
        for (figure, values), value in counts.items():
            if figure == f"{tally}_bucket":
                buckets[values[:-1]][float(values[-1])] = value
        histogram = HistogramMetricFamily(name, sentence, labels=labels)
        for values, found in sorted(buckets.items()):
            below, rows = 0.0, []
            for bound in sorted({*bounds, *found, float("inf")}):
                below += found.get(bound, 0.0)
                rows.append(("+Inf" if bound == float("inf") else str(bound), below))
            histogram.add_metric(values, rows, sum_value=counts.get((f"{tally}_sum", values), 0.0))
        yield histogram
