"""A tap's name, whether it is hidden, and the k-factor of its flow meter by hand."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..model.units import Units
from ..storage import Connection
from ..storage.taps import MOST_PULSES_PER_LITRE, set_meter, set_tap, unset_meter
from .database import now_ms
from .forms import Form
from .submit import NO_MISTAKE, Done, Mistake, Undo, guard_of, submit
from .tap_pages import Values, common_values, show
from .tap_place import PATH, announce_change, place_of

_LATEST_MS = 2**60


async def settings_page(request: Request) -> Response:
    """The form."""
    await guard_of(request).check(request)
    return await _show(request, NO_MISTAKE)


async def _show(request: Request, mistake: Mistake) -> Response:
    def query(connection: Connection) -> Values:
        return {**common_values(connection, place_of(connection, request)), "mistake": mistake}

    return await show(request, "tap_name.html", query, 400 if mistake.errors else 200)


async def change_tap(request: Request) -> Response:
    """Changes the tap. An absent field changes nothing. `meter_from` removes the k-factor that is valid from that time on, as an undo.

    `pulses_shown` is the k-factor that the form has shown: unless another one is entered, the form does not undo a later calibration.
    """

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        place = place_of(connection, request)
        tap, client = place.tap, place.client
        name, k_factor = form.name("name"), form.whole("pulses_per_litre", 1, MOST_PULSES_PER_LITRE)
        meter_from = form.whole("meter_from", 1, _LATEST_MS)
        if form.errors:
            return None
        # A browser does not send an unchecked box. A hidden field shows that the form contains it.
        hidden = form.has("hidden") if form.has("hidden_box") else None
        set_tap(connection, client.key, tap.pin, name=name, hidden=hidden)
        undo = {"undo": "1", "name": tap.name, "hidden_box": "1", **({"hidden": "1"} if tap.hidden else {})}
        if meter_from is not None:
            unset_meter(connection, tap.key, meter_from)
        if k_factor is not None and k_factor != tap.pulses_per_litre and str(k_factor) != form.typed.get("pulses_shown"):
            now = now_ms()
            set_meter(connection, tap.key, now, k_factor)
            undo["meter_from"] = str(now)
        announce_change(connection, place)
        if form.has("undo"):
            return Done(place.path, "Undone.")
        return Done(place.path, "Saved.", Undo(f"{place.path}/settings", undo))

    return await submit(request, f"tap {request.path_params['pin']} of client {request.path_params['client']}", change, _show)


ROUTES = (Route(PATH + "/settings", settings_page), Route(PATH + "/settings", change_tap, methods=["POST"]))
