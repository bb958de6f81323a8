"""One pour: its pulses, its corrections, and the forms to correct it and to undo a correction."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..model.pours import CorrectionKind
from ..model.units import Units
from ..storage import Change, Connection, announce
from ..storage.clients import clients
from ..storage.pour_details import PourDetails, details_of
from ..storage.pours import correct, find_pour, undo_correction
from ..storage.records import Client, Tap
from ..storage.taps import clients_of_taps, taps_by_key, taps_of
from .database import now_ms
from .forms import Form
from .render import units_of
from .submit import NO_MISTAKE, Done, Mistake, Undo, submit
from .tap_pages import Values, common_values, show
from .tap_place import PATH, Place, place_of, required_number, whole
from .tap_values import active_corrections

KEY_AT_MOST = 2**31 - 1
TAPS_AT_MOST = 300
"""Upper bound on the taps in the list."""
LARGEST_POUR_ML = 200_000
_TEXTS = {
    CorrectionKind.SPILL: "Saved: the pour was spilled.",
    CorrectionKind.DELETE: "Saved: the pour counts for nothing.",
    CorrectionKind.MOVE: "Saved: the pour counts for the other tap.",
    CorrectionKind.VOLUME: "Saved: the pour has another volume.",
}


async def pour_page(request: Request) -> Response:
    """The page of a pour."""
    return await _show(request, NO_MISTAKE)


async def _show(request: Request, mistake: Mistake) -> Response:
    def query(connection: Connection) -> Values:
        place = place_of(connection, request)
        common = common_values(connection, place)
        details = _details(connection, request, place)
        named = taps_by_key(connection, {details.meter, details.pour.tap})
        return {
            **common,
            "units": units_of(request, common["household"], mistake.typed),
            "mistake": mistake,
            "details": details,
            "corrections": active_corrections(details),
            "meter": named[details.meter],
            "counts_for": named.get(details.pour.tap, place.tap),
            "other_taps": _other_taps(connection, place, details),
        }

    return await show(request, "tap_pour.html", query, 400 if mistake.errors else 200)


async def change_pour(request: Request) -> Response:
    """Corrects a pour. `action` is a kind of correction, or `undo`."""

    def change(connection: Connection, form: Form, units: Units) -> Done | None:
        place = place_of(connection, request)
        details = _details(connection, request, place)
        where = f"{place.path}/pours/{details.pour.key}"
        action = form.typed.get("action", "")
        if action == "undo":
            done = _undo(connection, form, details, place)
        elif action in list(CorrectionKind):
            done = _correct(connection, form, units, details, CorrectionKind(action), where)
        else:
            form.errors["action"], done = "choose what to do: spill, delete, move, volume or undo", None
        if done is not None:
            after = find_pour(connection, details.pour.key) or details.pour
            concerned = clients_of_taps(connection, {place.tap.key, details.meter, details.pour.tap, after.tap})
            announce(connection, Change(concerned, frozenset({"pour"})))
        return done

    return await submit(request, f"a pour of {request.path_params['client']}", change, _show)


def _correct(connection: Connection, form: Form, units: Units, details: PourDetails, kind: CorrectionKind, where: str) -> Done | None:
    value = None
    if kind is CorrectionKind.VOLUME:
        most = LARGEST_POUR_ML / units.pour_ml(1)
        number = required_number(form, "volume", 0, most)
        # An equal correction can be an older one, which an undo would remove.
        if number is not None and number == Form({"volume": form.typed.get("volume_shown", "")}).number("volume", 0, most):
            return Done(where, "The volume is as before.")
        value = None if number is None else round(units.pour_ml(number))
    elif kind is CorrectionKind.MOVE:
        value = form.whole("tap", 1, KEY_AT_MOST)
        if value is None or value == details.pour.tap or value not in taps_by_key(connection, [value]):
            form.errors["tap"] = "choose another tap"
    if form.errors:
        return None
    made = correct(connection, details.pour.key, kind, value, now_ms())
    return Done(where, _TEXTS[kind], Undo(where, {"action": "undo", "correction": str(made)}))


def _undo(connection: Connection, form: Form, details: PourDetails, place: Place) -> Done | None:
    key = form.whole("correction", 1, KEY_AT_MOST)
    if key not in [each.key for each in details.corrections] or not undo_correction(connection, key or 0, now_ms()):
        form.errors["action"] = "this correction is undone already"
        return None
    after = find_pour(connection, details.pour.key) or details.pour
    (remaining,) = details_of(connection, [after])
    # Without its move, the pour has no page below this tap.
    where = f"{place.path}/pours/{after.key}" if _is_at(remaining, place) else place.path
    return Done(where, "Undone: the pour counts as before.")


def _details(connection: Connection, request: Request, place: Place) -> PourDetails:
    """The pour in the path: one that this tap's flow meter counted, or that was moved to it."""
    key = whole(str(request.path_params["key"]), KEY_AT_MOST)
    pour = None if key is None else find_pour(connection, key)
    if pour is not None:
        (details,) = details_of(connection, [pour])
        if _is_at(details, place):
            return details
    raise HTTPException(404, "there is no such pour")


def _is_at(details: PourDetails, place: Place) -> bool:
    """Whether the tap's flow meter counted the pour, or it was moved to the tap."""
    moves = (each.value for each in details.corrections if each.kind is CorrectionKind.MOVE)
    return place.tap.key in (details.meter, details.pour.tap, *moves)


def _other_taps(connection: Connection, place: Place, details: PourDetails) -> list[tuple[Client, Tap]]:
    """The taps to which the pour can be moved, those of the same client first."""
    known = sorted(clients(connection, 0, TAPS_AT_MOST), key=lambda client: client.key != place.client.key)
    by_key = {client.key: client for client in known}
    found = taps_of(connection, list(by_key))
    order = {client.key: number for number, client in enumerate(known)}
    taps = sorted(found, key=lambda tap: (order[tap.client], tap.pin))
    return [(by_key[tap.client], tap) for tap in taps if tap.key != details.pour.tap][:TAPS_AT_MOST]


ROUTES = (Route(PATH + "/pours/{key}", pour_page), Route(PATH + "/pours/{key}", change_pour, methods=["POST"]))
