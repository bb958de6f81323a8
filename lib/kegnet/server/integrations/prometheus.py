"""GET /metrics: what Prometheus collects.

Gauges describe the clients and kegs as they are now; counters what the processes at this address have accepted since they started. Where
servers at several addresses run, scrape each of them. The number of queries does not depend on the number of clients or on the history.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kegnet import __version__

from ..context import Context
from ..counters import Counters
from ..overview import ClientState, overview
from ..shared_work import SharedWork
from ..storage import Database, UnavailableError
from ..storage.clients import clients as registered_clients
from ..storage.records import Tap

CLIENT = ("client", "name")
TAP = ("client", "name", "pin", "tap")
RETRY_AFTER_S = 10
CHEAP_S = 0.2
REST = 10
"""Gauges that cost more CPU time than `CHEAP_S`, those of thousands of clients, are kept for `REST` times as long. However often they are
asked for, they do not occupy a core.
"""


def create_metrics(context: Context) -> ASGIApp:
    """The ASGI application that answers GET with the metrics; 503 while the database is away."""
    metrics = Metrics(context.database, context.counters)
    # The threads are for everything else, too: however many requests there are, they occupy one.
    shared = SharedWork()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response: Response
        if scope["method"] not in ("GET", "HEAD"):
            response = PlainTextResponse("only GET\n", 405, {"Allow": "GET, HEAD"})
        else:
            try:
                response = Response(await shared.result("metrics", lambda: asyncio.to_thread(metrics.text)), media_type=CONTENT_TYPE_LATEST)
            except UnavailableError as error:
                response = PlainTextResponse(f"{error}\n", 503, {"Retry-After": str(RETRY_AFTER_S)})
        await response(scope, receive, send)

    return answer


@dataclass(frozen=True)
class _Described:
    """The gauges as text, and each tap by its client's UUID and its pin, with its client's name. `until` is when it is read again."""

    text: bytes
    taps: Mapping[tuple[str, int], tuple[str, Tap]]
    until: float


class Metrics:
    """The metrics of this process. `text()` is for one thread at a time."""

    def __init__(self, database: Database, counters: Counters) -> None:
        self._database = database
        self._counters = counters
        self._described: _Described | None = None
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)

    def text(self) -> bytes:
        """All metrics, in Prometheus's text format. Raises UnavailableError."""
        if self._described is None or time.monotonic() >= self._described.until:
            self._described = self._describe()
        described = self._described
        return described.text + _text(self._counted(described.taps)) + generate_latest(self._process)

    def _describe(self) -> _Described:
        began = time.thread_time()
        with self._database.reading() as c:
            states = overview(c, registered_clients(c), time.time_ns() // 10**6)
        taps = {(state.client.uuid, tap.tap.pin): (state.client.name, tap.tap) for state in states for tap in state.taps}
        info = GaugeMetricFamily("kegnet_server_info", "The version of kegnet-server.", labels=("version",))
        info.add_metric((__version__,), 1)
        text = _text([*_of_clients(states), *_of_taps(states), info])
        cpu_s = time.thread_time() - began
        return _Described(text, taps, time.monotonic() + (REST * cpu_s if cpu_s > CHEAP_S else 0))

    def _counted(self, taps: Mapping[tuple[str, int], tuple[str, Tap]]) -> Iterator[Metric]:
        messages = CounterMetricFamily("kegnet_messages", "Messages by what became of them.", labels=("endpoint", "result"))
        for labels, number in sorted(self._counters.messages().items()):
            messages.add_metric(labels, number)
        yield messages
        # Not those of hidden taps, nor of taps that are newer than the kept gauges.
        k_factors = {key: tap.pulses_per_litre for key, (_, tap) in taps.items()}
        poured = CounterMetricFamily("kegnet_poured_litres", "What was poured since this process started, in litres.", labels=TAP)
        for (uuid, pin), litres in sorted(self._counters.litres(k_factors).items()):
            if (uuid, pin) in taps:
                name, tap = taps[uuid, pin]
                poured.add_metric((uuid, name, str(pin), tap.name), litres)
        yield poured


def _text(families: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(list(families)))
    return generate_latest(registry)


class _Collected(Collector):
    """A collector over families that are there already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield from self._families


def _of_clients(states: Sequence[ClientState]) -> Iterator[Metric]:
    temperature = GaugeMetricFamily("kegnet_temperature_celsius", "The last temperature.", labels=CLIENT)
    message = GaugeMetricFamily("kegnet_last_message_timestamp_seconds", "When the last message of any kind came.", labels=CLIENT)
    alarm = GaugeMetricFamily("kegnet_alarm", "The alarms that last, 1 each.", labels=(*TAP, "kind"))
    for state in states:
        labels = (state.client.uuid, state.client.name)
        if state.reading is not None:
            temperature.add_metric(labels, state.reading.millicelsius / 1000)
        if state.heard_ms is not None:
            message.add_metric(labels, state.heard_ms / 1000)
        taps = {tap.tap.key: (str(tap.tap.pin), tap.tap.name) for tap in state.taps}
        for each in state.alarms:
            pin, name = taps.get(each.tap, ("", "")) if each.tap is not None else ("", "")
            alarm.add_metric((*labels, pin, name, each.kind), 1)
    yield from (temperature, message, alarm)
    number = GaugeMetricFamily("kegnet_open_alarms", "How many alarms last.", value=sum(len(state.alarms) for state in states))
    clients = GaugeMetricFamily("kegnet_clients", "How many clients are registered.", value=len(states))
    yield from (number, clients)


def _of_taps(states: Sequence[ClientState]) -> Iterator[Metric]:
    today = GaugeMetricFamily("kegnet_poured_today_litres", "What was poured since the day began.", labels=TAP)
    left = GaugeMetricFamily("kegnet_keg_left_litres", "What is left in the keg.", labels=TAP)
    volume = GaugeMetricFamily("kegnet_keg_volume_litres", "The size of the keg.", labels=TAP)
    for state in states:
        for tap in state.taps:
            labels = (state.client.uuid, state.client.name, str(tap.tap.pin), tap.tap.name)
            today.add_metric(labels, tap.today_ml / 1000)
            if tap.left_ml is not None:
                left.add_metric(labels, tap.left_ml / 1000)
            if tap.keg is not None and tap.keg.volume_ml is not None:
                volume.add_metric(labels, tap.keg.volume_ml / 1000)
    yield from (today, left, volume)
