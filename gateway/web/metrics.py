"""`/metrics`: the figures of all processes of this machine, for Prometheus.

Answered to addresses of MOONGATE_METRICS_ALLOW alone, which is this machine unless set. A proxy on this machine has such an address too,
whoever sends it: a request that was passed on is answered only where a trusted proxy tells for whom. To all others the page is not there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import accumulate, groupby
from platform import python_version
from urllib.parse import urlsplit

from flask import Blueprint, Response, request
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from gateway.domain.checks import Check, Outcome
from gateway.domain.errors import Refusal
from gateway.http import requests
from gateway.http.endpoints import METRICS
from gateway.metrics import sums
from gateway.metrics.families import Histogram, Kind
from gateway.metrics.sums import Series
from gateway.services import stock
from gateway.services.house import House
from gateway.web.health import readiness

door = Blueprint("metrics", __name__)

_PASSED_ON = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via")
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_STATES = {Outcome.OK: 0, Outcome.WARNING: 1, Outcome.FAILED: 2}


@door.get(METRICS)
def metrics() -> Response:
    """Return every figure, in the text form that every Prometheus reads."""
    _require_allowed()
    return Response(generate_latest(_Figures(requests.house(), readiness().look())), content_type=_TEXT)


def _require_allowed() -> None:
    """Refuse whoever is not allowed, or may be somebody else than the address says."""
    settings = requests.house().settings
    if not settings.trusted_proxies and any(name in request.headers for name in _PASSED_ON):
        raise Refusal("E_Not_Found", reason="passed on by a proxy that MOONGATE_TRUSTED_PROXIES does not name")
    caller = _address(requests.client_address())
    if caller is None or not any(caller in network for network in settings.metrics_allow):
        raise Refusal("E_Not_Found", reason="the caller's address is not in MOONGATE_METRICS_ALLOW")
    # A proxy beside us that adds no header still asks for the public name.
    if caller.is_loopback and not _is_own_name(request.host):
        raise Refusal("E_Not_Found", reason="asked from this machine by another name than localhost")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_own_name(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


class _Figures(Collector):
    """Everything that is told, gathered once."""

    def __init__(self, house: House, checks: Iterable[Check]) -> None:
        self._house = house
        self._checks = list(checks)

    def collect(self) -> Iterator[Metric]:
        """Return all families."""
        yield from _counted(sums.collect())
        yield from self._process()
        yield _gauge("moongate_check", "How it is: 0 well, 1 somebody should look, 2 it cannot serve.", "check", self._states())
        yield from self._stock()

    def _process(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("moongate_build_info", "The release that runs.", labels=["version", "python", "database"])
        build.add_metric([version("moongate"), python_version(), self._house.database.name], 1)
        yield build
        living = sums.processes()
        started = {str(process.pid): process.started_at / 1000 for process in living}
        resident = {str(process.pid): float(size) for process in living if (size := process.resident_bytes()) is not None}
        yield _gauge("moongate_process_start_time_seconds", "When each process of this machine began.", "process", started)
        yield _gauge("moongate_process_resident_bytes", "Memory of each process of this machine.", "process", resident)

    def _states(self) -> Mapping[str, float]:
        return {check.check: _STATES[check.outcome] for check in self._checks}

    def _stock(self) -> Iterator[Metric]:
        """Return what stands in the database; nothing while it does not answer."""
        found = stock.take(self._house)
        if found is None:
            return
        yield _gauge("moongate_database_answer_seconds", "How long the database took for a small question.", "", {"": found.answer_seconds})
        for state in ("ready", "running", "dead"):
            counts = {kind: float(count) for (kind, having), count in found.jobs.items() if having == state}
            yield _gauge(f"moongate_jobs_{state}", f"Jobs that are {state}, by kind.", "kind", counts)
        ages = {kind: float(seconds) for kind, seconds in found.oldest_seconds.items()}
        yield _gauge("moongate_jobs_oldest_seconds", "For how long the oldest job of a kind has been due.", "kind", ages)
        yield _gauge(
            "moongate_mails",
            "Mails that did not go, or not yet, by what became of them.",
            "state",
            {state: float(count) for state, count in found.mails.items()},
        )


def _counted(found: Iterable[Series]) -> Iterator[Metric]:
    """Return counted families in the library's own values; the series of a family follow one another."""
    for _, group in groupby(found, key=lambda series: series.family.name):
        yield _family(list(group))


def _family(found: Sequence[Series]) -> Metric:
    family = found[0].family
    if isinstance(family, Histogram):
        histogram = HistogramMetricFamily(family.name, family.text, labels=family.labels)
        for series in found:
            histogram.add_metric(series.labels, _buckets(family, series.numbers), series.numbers[-1] / 1e6)
        return histogram
    if family.kind is Kind.LATEST:
        latest = GaugeMetricFamily(family.name, family.text, labels=family.labels)
        for series in found:
            latest.add_metric(series.labels, series.numbers[0] / 1000)
        return latest
    counter = CounterMetricFamily(family.name, family.text, labels=family.labels)
    for series in found:
        counter.add_metric(series.labels, series.numbers[0])
    return counter


def _buckets(family: Histogram, numbers: Sequence[int]) -> list[tuple[str, float]]:
    """Return each upper bound in seconds with how many took no longer."""
    bounds = [*(f"{bound / 1e6:g}" for bound in family.bounds), "+Inf"]
    return list(zip(bounds, accumulate(numbers[:-1]), strict=True))


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Return a family with one label, or a single value where the label has no name."""
    gauge = GaugeMetricFamily(name, text, labels=[label] if label else [])
    for value, number in values.items():
        gauge.add_metric([value] if label else [], number)
    return gauge
