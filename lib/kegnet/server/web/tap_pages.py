"""The page of a tap, its list of pours, and its list of kegs. Every reader may see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..model.heat import SHADES, WEEKDAYS
from ..overview import state_of_tap
from ..storage import Connection
from ..storage.alarms import open_alarms
from ..storage.keg_history import poured_kegs
from ..storage.pours import find_pour, pours_of
from ..storage.settings import get_setting, household
from . import times
from .cards import Card
from .database import in_thread, now_ms, read
from .pages import SAMPLE_DATA, page_number, shared_work
from .render import render, root_path
from .tap_place import PATH, Place, place_of, whole
from .tap_values import HEAT_WEEKS, a_day_ml, days_on, heat_map, level_bins, level_days, pour_days

POURS_AT_FIRST = 15
POURS_A_PAGE = 60
KEGS_AT_FIRST = 5
KEGS_A_PAGE = 30
DAYS_AT_MOST = 60
"""The number of days in the table of a level."""
Values = dict[str, Any]


async def tap(request: Request) -> Response:
    """The page of a tap, or with `parts` only its parts that change.

    After an event, all readers request the same at once, so they share the queries.
    """
    key = ("tap", str(request.path_params["client"]), str(request.path_params["pin"]), root_path(request))
    values = await shared_work(request).result(key, lambda: read(request, lambda c: _tap_values(c, place_of(c, request), now_ms())))
    template = "tap_parts.html" if "parts" in request.query_params else "tap_page.html"
    return await in_thread(lambda: render(request, template, values))


async def pours(request: Request) -> Response:
    """A page of the pours of a tap, newest first: those before the pour with the key `before`."""
    before = whole(request.query_params.get("before", ""), 2**31 - 1)

    def query(connection: Connection) -> Values:
        place = place_of(connection, request)
        if before is not None and find_pour(connection, before) is None:
            raise HTTPException(404, "there is no such pour")
        found = pours_of(connection, [place.tap.key], before=before, limit=POURS_A_PAGE + 1)
        values = common_values(connection, place)
        values["days"] = pour_days(connection, place.tap, found[:POURS_A_PAGE], values["household"])
        values["before"] = before
        values["next"] = found[POURS_A_PAGE - 1].key if len(found) > POURS_A_PAGE else None
        return values

    return await show(request, "tap_pours.html", query)


async def kegs(request: Request) -> Response:
    """A page of the kegs of a tap, newest first."""
    number = page_number(request)

    def query(connection: Connection) -> Values:
        place = place_of(connection, request)
        found = poured_kegs(connection, place.tap.key, KEGS_A_PAGE + 1, number * KEGS_A_PAGE)
        return {
            **common_values(connection, place),
            "kegs": found[:KEGS_A_PAGE],
            "page": number,
            "more": len(found) > KEGS_A_PAGE,
        }

    return await show(request, "tap_kegs.html", query)


async def show(request: Request, template: str, query: Callable[[Connection], Values], status: int = 200) -> Response:
    """A page with the values of `query`."""
    values = await read(request, query)
    return render(request, template, values, status)


def common_values(connection: Connection, place: Place) -> Values:
    """The values for the templates of all pages of a tap."""
    home, now = household(connection), now_ms()
    return {
        "household": home,
        "sample_data": get_setting(connection, SAMPLE_DATA) is not None,
        "now_ms": now,
        "place": place,
        "card": card_of(connection, place, now),
        "a_day_ml": a_day_ml,
        "days_on": days_on,
    }


def card_of(connection: Connection, place: Place, now: int) -> Card:
    """The card of the tap as on the home page, but with the tap's own name as `label`."""
    alarms = tuple(alarm.kind for alarm in open_alarms(connection, [place.client.key]) if alarm.tap == place.tap.key)
    zone = times.zone_of(household(connection).time_zone)
    return Card(state_of_tap(connection, place.tap, now), place.client.uuid, place.tap.name, alarms, now, zone)


def _tap_values(connection: Connection, place: Place, now: int) -> Values:
    values = common_values(connection, place)
    home, keg = values["household"], values["card"].state_of_tap.keg
    pours = pours_of(connection, [place.tap.key], limit=POURS_AT_FIRST + 1)
    kegs = poured_kegs(connection, place.tap.key, KEGS_AT_FIRST + 2)
    earlier = [each for each in kegs if keg is None or each.keg.key != keg.key]
    return {
        **values,
        "days": pour_days(connection, place.tap, pours[:POURS_AT_FIRST], home),
        "more_pours": len(pours) > POURS_AT_FIRST,
        "level_days": level_days(keg, level_bins(connection, keg, now), home)[:DAYS_AT_MOST] if keg else [],
        "kegs": earlier[:KEGS_AT_FIRST],
        "more_kegs": len(earlier) > KEGS_AT_FIRST,
        "present": next((each for each in kegs if keg is not None and each.keg.key == keg.key), None),
        "heat": heat_map(connection, place.tap, home, now),
        "heat_weeks": HEAT_WEEKS,
        "shades": SHADES,
        "weekdays": WEEKDAYS,
    }


ROUTES = (Route(PATH, tap), Route(PATH + "/pours", pours), Route(PATH + "/kegs", kegs))
