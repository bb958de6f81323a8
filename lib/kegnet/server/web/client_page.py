"""`/clients/{client}`: the temperature of a client as a chart, its alarms, its taps and its settings."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..model.alarms import DELAY_MS, AlarmKind
from ..model.gaps import gaps_before
from ..overview import overview
from ..storage import Connection, readings
from ..storage.alarms import alarms_of, last_alarms
from ..storage.clients import find_client
from ..storage.records import Alarm, Client, Course
from ..storage.settings import get_setting, household
from ..storage.taps import taps_of
from . import client_changes, times
from .cards import cards_of
from .clients import fingerprint_of
from .database import now_ms, read, read_history
from .pages import SAMPLE_DATA
from .render import render, units_of
from .spans import POINTS, Span
from .submit import NO_MISTAKE, Mistake

ALARMS_AT_MOST = 30
"""How many alarms the page lists."""
OF_TEMPERATURE = (AlarmKind.TOO_WARM.value, AlarmKind.TOO_COLD.value)


@dataclass(frozen=True)
class Figures:
    """The figures of a stretch of time: the bins of the least and of the most, the mean, the number of alarms and their sum `alarm_ms`."""

    least: Course
    most: Course
    mean: float
    alarms: int
    alarm_ms: int


async def client_page(request: Request) -> Response:
    """The page, with the figures of the time `over`."""
    return await _show(request, NO_MISTAKE)


async def change_name(request: Request) -> Response:
    """The client's name."""
    return await client_changes.change_name(request, _show)


async def change_limits(request: Request) -> Response:
    """The temperatures beyond which there is an alarm."""
    return await client_changes.change_limits(request, _show)


async def remove(request: Request) -> Response:
    """Removes the client."""
    return await client_changes.remove(request, _show_removal)


async def add_again(request: Request) -> Response:
    """Undoes the removal."""
    return await client_changes.add_again(request, _show_removal)


async def removal(request: Request) -> Response:
    """The page with the question whether to remove the client."""
    return await _show_removal(request, NO_MISTAKE)


ROUTES = (
    Route("/clients/{client:uuid}", client_page),
    Route("/clients/{client:uuid}/name", change_name, methods=["POST"]),
    Route("/clients/{client:uuid}/limits", change_limits, methods=["POST"]),
    Route("/clients/{client:uuid}/remove", removal),
    Route("/clients/{client:uuid}/remove", remove, methods=["POST"]),
    Route("/clients/{client:uuid}/add", add_again, methods=["POST"]),
)


async def _show(request: Request, mistake: Mistake) -> Response:
    span = Span.of(request.query_params.get("over", "")) or Span.DAY
    status = 400 if mistake.errors else 200

    def page(connection: Connection) -> Response:
        values = client_values(connection, str(request.path_params["client"]), span, now_ms())
        units = units_of(request, household(connection), mistake.typed)
        return render(request, "client.html", {**values, "form_units": units, "mistake": mistake}, status)

    return await read_history(request, page)


async def _show_removal(request: Request, mistake: Mistake) -> Response:
    await client_changes.check(request)

    def page(connection: Connection) -> Response:
        client = _find(connection, str(request.path_params["client"]))
        values = {"client": client, "mistake": mistake, **_household(connection)}
        return render(request, "client_removal.html", values, 400 if mistake.errors else 200)

    return await read(request, page)


def client_values(connection: Connection, uuid: str, span: Span, now: int) -> dict[str, object]:
    """The values of `client.html` at `now`, in Unix milliseconds."""
    client = _find(connection, uuid)
    state = overview(connection, [client], now)[0]
    taps = taps_of(connection, [client.key])
    since_ms, until_ms = span.bounds(now)
    points = readings.course(connection, client.key, since_ms, until_ms, span.bin_ms)
    alarms = [alarm for alarm in alarms_of(connection, client.key, since_ms) if alarm.kind in OF_TEMPERATURE]
    zone = times.zone_of(household(connection).time_zone)
    return {
        "client": client,
        "state": state,
        "cards": sorted(cards_of([state], now, zone), key=lambda card: card.pin),
        "shown": span,
        "spans": tuple(Span),
        "points": POINTS,
        "bins": list(zip(points, gaps_before(points), strict=True)),
        "figures": figures(points, alarms, since_ms, now),
        "alarms": last_alarms(connection, client.key, ALARMS_AT_MOST),
        "tap_names": {tap.key: tap.name for tap in taps},
        "hidden_taps": sorted((tap for tap in taps if tap.hidden), key=lambda tap: tap.pin),
        "fingerprint": fingerprint_of(client),
        "now_ms": now,
        "delay_ms": DELAY_MS,
        **_household(connection),
    }


def figures(points: list[Course], alarms: list[Alarm], since_ms: int, now: int) -> Figures | None:
    """The figures of `points`; None without any. An alarm counts for the part of it that is between `since_ms` and `now`."""
    if not points:
        return None
    number = sum(point.number for point in points)
    lengths = [min(now if alarm.ended_ms is None else alarm.ended_ms, now) - max(alarm.began_ms, since_ms) for alarm in alarms]
    return Figures(
        least=min(points, key=lambda point: point.least),
        most=max(points, key=lambda point: point.most),
        mean=sum(point.mean * point.number for point in points) / number,
        alarms=len(alarms),
        alarm_ms=sum(max(0, length) for length in lengths),
    )


def _find(connection: Connection, uuid: str) -> Client:
    client = find_client(connection, uuid)
    if client is None:
        raise HTTPException(404, "there is no such client")
    return client


def _household(connection: Connection) -> dict[str, object]:
    return {"household": household(connection), "sample_data": get_setting(connection, SAMPLE_DATA) is not None}
