"""A tap's name, whether it is hidden, and the k-factor of its flow meter by hand."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..model.units import Units
from ..storage import Connection
from ..storage.taps import MOST_PULSES_PER_LITRE, set_meter_from_now, set_tap, unset_meter
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
    """Changes the tap. An absent field changes nothing, nor one that is as the form has shown it.

    `meter_from` removes the k-factor that is valid from that time on, as an undo.
    """

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        place = place_of(connection, request)
        tap, client = place.tap, place.client
        for field in ("name", "pulses_per_litre"):
            form.omit_unchanged(field)
        name, k_factor = form.name("name"), form.whole("pulses_per_litre", 1, MOST_PULSES_PER_LITRE)
        meter_from = form.whole("meter_from", 1, _LATEST_MS)
        if form.errors:
            return None
        hidden = _hidden(form)
        undo = {"undo": "1"}
        if name not in (None, tap.name):
            undo["name"] = tap.name
        if hidden not in (None, tap.hidden):
            undo |= {"hidden_box": "1", "hidden": "1"} if tap.hidden else {"hidden_box": "1"}
        set_tap(connection, client.key, tap.pin, name=name, hidden=hidden)
        if meter_from is not None:
            unset_meter(connection, tap.key, meter_from)
        if k_factor is not None and k_factor != tap.pulses_per_litre:
            now = now_ms()
            set_meter_from_now(connection, tap.key, now, k_factor)
            undo["meter_from"] = str(now)
        announce_change(connection, place)
        if form.has("undo"):
            return Done(place.path, "Undone.")
        return Done(place.path, "Saved.", Undo(f"{place.path}/settings", undo) if len(undo) > 1 else None)

    return await submit(request, f"tap {request.path_params['pin']} of client {request.path_params['client']}", change, _show)


def _hidden(form: Form) -> bool | None:
    """Whether the tap is to be hidden; None: as it is.

    A browser does not send an unchecked box. The field `hidden_box` shows that the form contains one. `checked` or `unchecked` is how it
    was shown: then only the other state is a change.
    """
    hidden, box = form.has("hidden"), form.typed.get("hidden_box")
    return None if box in (None, "checked" if hidden else "unchecked") else hidden


ROUTES = (Route(PATH + "/settings", settings_page), Route(PATH + "/settings", change_tap, methods=["POST"]))
