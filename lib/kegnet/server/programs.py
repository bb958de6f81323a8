"""What other programs read: a JSON API with its OpenAPI description, CSV, and metrics for Prometheus."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, abort, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from kegnet import __version__

from . import schema, views
from .openapi import DESCRIPTION
from .page import SPANS
from .parts import now_ms, parts

blueprint = Blueprint("programs", __name__)
POURS_AT_MOST = 1000


@blueprint.get("/api/openapi.json")
def openapi() -> Response:
    """The description of all that follows below /api."""
    return jsonify(DESCRIPTION)


@blueprint.get("/api/clients")
def clients() -> Response:
    """A page of clients as they are now, their taps with them."""
    page = _number("page", 0, 0, 10**6)
    return jsonify([_as_json(client) for client in views.overview(parts().store, now_ms(), page)])


@blueprint.get("/api/clients/<uuid:client>/temperatures")
def temperatures(client: Any) -> Response:
    """The course of a temperature."""
    over = request.args.get("over", "24h")
    if over not in SPANS:
        abort(400, f"over: it takes one of {', '.join(SPANS)}")
    until = now_ms()
    return jsonify([dataclasses.asdict(point) for point in views.course(parts().store, _known(client), until - SPANS[over], until)])


@blueprint.get("/api/clients/<uuid:client>/taps/<int:pin>/pours")
def pours(client: Any, pin: int) -> Response:
    """The last pours of a tap, the latest first."""
    limit = _number("limit", 100, 1, POURS_AT_MOST)
    if pin > schema.PIN_AT_MOST:
        abort(404)
    return jsonify([dataclasses.asdict(pour) for pour in views.last_pours(parts().store, _known(client), pin, limit)])


@blueprint.get("/csv/<uuid:client>/temperatures.csv")
def temperatures_csv(client: Any) -> Response:
    """All temperatures of a client."""
    return _csv(_known(client), schema.ping, {"at_ms": schema.ping.c.at_ms, "millicelsius": schema.ping.c.temp})


@blueprint.get("/csv/<uuid:client>/pours.csv")
def pours_csv(client: Any) -> Response:
    """All pours of a client."""
    columns = {"at_ms": schema.pour.c.at_ms, "pin": schema.pour.c.pin, "pulses": schema.pour.c.pulses, "et": schema.pour.c.et}
    return _csv(_known(client), schema.pour, columns)


@blueprint.get("/metrics")
def metrics() -> Response:
    """For Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Metrics())  # type: ignore[arg-type]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Metrics:
    """What Prometheus is told: the page's values, in its base units."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All of them."""
        temperature = GaugeMetricFamily("kegnet_temperature_celsius", "The last temperature.", labels=("client", "name"))
        seen = GaugeMetricFamily("kegnet_last_ping_timestamp_seconds", "When the last ping came.", labels=("client", "name"))
        labels = ("client", "name", "pin", "tap")
        poured = GaugeMetricFamily("kegnet_poured_today_litres", "What was poured since midnight.", labels=labels)
        left = GaugeMetricFamily("kegnet_keg_left_litres", "What is left in the keg.", labels=labels)
        for client in views.everyone(parts().store, now_ms()):
            if client.millicelsius is not None and client.seen_ms is not None:
                temperature.add_metric((client.id, client.name), client.millicelsius / 1000)
                seen.add_metric((client.id, client.name), client.seen_ms / 1000)
            for tap in client.taps:
                where = (client.id, client.name, str(tap.pin), tap.name)
                poured.add_metric(where, tap.today_ml / 1000)
                if tap.left_ml is not None:
                    left.add_metric(where, tap.left_ml / 1000)
        yield from (temperature, seen, poured, left)
        yield GaugeMetricFamily("kegnet_server_info", f"kegnet-server {__version__}.", value=1)


def _as_json(client: views.ClientView) -> dict[str, object]:
    return {**dataclasses.asdict(client), "alarms": client.alarms}


def _known(client: Any) -> str:
    if parts().store.client(str(client)) is None:
        abort(404)
    return str(client)


def _number(name: str, usual: int, least: int, most: int) -> int:
    text = request.args.get(name)
    if text is None:
        return usual
    if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
        abort(400, f"{name}: it takes a number from {least} to {most}")
    return int(text)


def _csv(client_id: str, table: sa.Table, columns: dict[str, sa.Column[Any]]) -> Response:
    """Row by row, so that years of them need no memory."""
    store = parts().store
    query = sa.select(*columns.values()).where(table.c.id == client_id).order_by(table.c.at_ms)

    def rows() -> Iterator[str]:
        yield ",".join(columns) + "\r\n"
        with store.reading() as connection:
            for row in connection.execution_options(stream_results=True).execute(query):
                line = io.StringIO()
                csv.writer(line).writerow(row)
                yield line.getvalue()

    headers = {"Content-Disposition": f'attachment; filename="{table.name}s-{client_id}.csv"'}
    return Response(rows(), mimetype="text/csv", headers=headers)
