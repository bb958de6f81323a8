"""`/calibration`: a user pours known amounts and enters each; the page then sets the k-factor of the flow meter.

The measurements are in the address, so they survive a reload, and no process stores them. A script adds the choice of spilled pours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..model.calibration import Calibration, CalibrationError, calibrate
from ..model.pours import CorrectionKind, factor_at
from ..model.units import Units
from ..storage import Connection
from ..storage.kegs import lock_tap
from ..storage.pour_details import details_of
from ..storage.pours import correct, corrections_of, pours_of, undo_correction
from ..storage.records import PULSES_PER_LITRE, Pour
from ..storage.settings import household
from ..storage.taps import meters_of, set_meter_from_now, unset_meter
from .database import now_ms, read
from .forms import Form
from .render import root_path, units_of
from .submit import NO_MISTAKE, Done, Mistake, Undo, guard_of, submit
from .tap_pages import Values, common_values, show
from .tap_place import PATH, Place, announce_change, place_of, required_number, whole

WRONG_CLOCK_MS = 10 * 60_000
"""A pour that began so long before its receipt was in a spool, so it was not poured for this calibration."""
POURS_AT_MOST = 30
MOST_ML = 100_000
GOOD_SPREAD = 0.03
"""A spread of the measurements below this is good."""
_LATEST_MS, _KEY_AT_MOST = 2**60, 2**31 - 1


@dataclass(frozen=True)
class State:
    """The time since which pours count, the millilitres by the keys of measured pours, and the keys of ignored pours.

    `spill`: the measured pours are to count as spilled.
    """

    since_ms: int
    measured: Mapping[int, float]
    ignored: frozenset[int]
    spill: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> State | None:
        """The state in an address or a form; None if there is none."""
        since_ms = whole(fields.get("since", ""), _LATEST_MS)
        if since_ms is None:
            return None
        pairs = [pair.partition(":") for pair in fields.get("measured", "").split(",")[:POURS_AT_MOST]]
        measured = {whole(key, _KEY_AT_MOST): whole(ml, 1000 * MOST_ML) for key, _, ml in pairs}
        ignored = [whole(key, _KEY_AT_MOST) for key in fields.get("ignored", "").split(",")[:POURS_AT_MOST]]
        return cls(
            since_ms,
            {key: ml / 1000 for key, ml in measured.items() if key is not None and ml},
            frozenset(key for key in ignored if key is not None),
            bool(fields.get("spill")),
        )

    def fields(self) -> dict[str, str]:
        """The fields of a form with this state; amounts are in microlitres, so that they are whole."""
        measured = ",".join(f"{key}:{round(1000 * ml)}" for key, ml in self.measured.items())
        ignored = ",".join(map(str, sorted(self.ignored)))
        return {"since": str(self.since_ms), "measured": measured, "ignored": ignored, "spill": "1" if self.spill else ""}

    def query(self) -> str:
        """The state as the query of an address."""
        return urlencode({name: value for name, value in self.fields().items() if value}, safe=":,")

    def with_amount(self, key: int, millilitres: float) -> State:
        """The state with one more measured pour."""
        return replace(self, measured={**self.measured, key: millilitres}, ignored=self.ignored - {key})

    def without(self, key: int) -> State:
        """The state in which a pour does not count."""
        return replace(self, measured={each: ml for each, ml in self.measured.items() if each != key}, ignored=self.ignored | {key})


async def calibration_page(request: Request) -> Response:
    """The page. With `pour` and `amount`, it redirects to the address with this measurement added."""
    await guard_of(request).check(request)
    fields = dict(request.query_params)
    state = State.of(fields)
    if state is None:
        await read(request, lambda connection: place_of(connection, request))
        return _redirect(request, State(now_ms(), {}, frozenset()))
    if "pour" not in fields:
        return await _show(request, NO_MISTAKE, state)
    form, key = Form(fields), whole(fields["pour"], _KEY_AT_MOST)
    if key is None:
        return _redirect(request, state)
    units = await read(request, lambda connection: units_of(request, household(connection), fields))
    amount = required_number(form, "amount", 0.01, round(MOST_ML / units.pour_ml(1)))
    if amount is None:
        return await _show(request, Mistake(f"{request.url.path}/{key}", form.typed, form.errors), state)
    return _redirect(request, state.with_amount(key, units.pour_ml(amount)))


def _redirect(request: Request, state: State) -> Response:
    place = f"/taps/{request.path_params['client']}/{request.path_params['pin']}"
    return RedirectResponse(f"{root_path(request)}{place}/calibration?{state.query()}", 303)


async def _show_again(request: Request, mistake: Mistake) -> Response:
    return await _show(request, mistake, State.of(mistake.typed) or State(now_ms(), {}, frozenset()))


async def _show(request: Request, mistake: Mistake, state: State) -> Response:
    def query(connection: Connection) -> Values:
        place = place_of(connection, request)
        common = common_values(connection, place)
        pours = _pours(connection, place, state)
        measured = [pour for pour in pours[::-1] if pour.key in state.measured]
        result, refusal = _result(measured, state)
        return {
            **common,
            "units": units_of(request, common["household"], request.query_params),
            "mistake": mistake,
            "state": state,
            "measured": measured,
            "waiting": [pour for pour in pours if pour.key not in state.measured and pour.key not in state.ignored],
            "last_ml": [None, *state.measured.values()][-1],
            "result": result,
            "refusal": refusal,
            "good_spread": GOOD_SPREAD,
        }

    template = "tap_measuring.html" if "parts" in request.query_params else "tap_calibration.html"
    return await show(request, template, query, 400 if mistake.errors else 200)


def _pours(connection: Connection, place: Place, state: State) -> list[Pour]:
    """The pours that the tap's flow meter counted since the state's start, by the server's clock, newest first; without deleted ones."""
    found = pours_of(connection, [place.tap.key], since_ms=max(0, state.since_ms - WRONG_CLOCK_MS), limit=POURS_AT_MOST)
    return [
        each.pour
        for each in details_of(connection, found)
        if each.meter == place.tap.key
        and not each.pour.deleted
        and each.pour.received_ms >= state.since_ms
        and each.pour.received_ms - each.pour.at_ms <= WRONG_CLOCK_MS + each.pour.et_ms
    ]


def _result(measured: list[Pour], state: State) -> tuple[Calibration | None, str]:
    """The k-factor of the measured pours, or why there is none. Neither, if nothing was measured."""
    if not measured:
        return None, ""
    try:
        return calibrate([(pour.pulses, state.measured[pour.key]) for pour in measured]), ""
    except CalibrationError as error:
        return None, f"{error.problem}: {error.fix}"


async def set_calibration(request: Request) -> Response:
    """Sets the k-factor from now on (`action` is `set`), or restores the previous one (`undo`)."""

    def change(connection: Connection, form: Form, _units: Units) -> Done | None:
        place = place_of(connection, request)
        announce_change(connection, place)
        match form.typed.get("action"):
            case "set":
                return _set(connection, form, place)
            case "undo":
                return _undo(connection, form, place)
            case _:
                form.errors["action"] = "choose what to do: set or undo"
                return None

    subject = f"calibration of tap {request.path_params['pin']} of client {request.path_params['client']}"
    return await submit(request, subject, change, _show_again)


def _set(connection: Connection, form: Form, place: Place) -> Done | None:
    state = State.of(form.typed)
    measured = [] if state is None else [pour for pour in _pours(connection, place, state) if pour.key in state.measured]
    result, refusal = (None, "") if state is None else _result(measured, state)
    if result is None:
        form.errors["action"] = refusal or "no amount was measured yet: pour a known amount and enter it"
        return None
    lock_tap(connection, place.tap.key)
    from_ms = now_ms()
    # Without k-factors of the future: a clock that was ahead has set them.
    meters = [meter for meter in meters_of(connection, [place.tap.key]).get(place.tap.key, []) if meter[0] <= from_ms]
    if state is not None and meters and meters[-1][1] == result.pulses_per_litre and meters[-1][0] >= state.since_ms:
        # The form was sent before, by a double click.
        from_ms = meters[-1][0]
    else:
        set_meter_from_now(connection, place.tap.key, from_ms, result.pulses_per_litre)
    spills = _spilled(connection, measured, from_ms) if form.has("spill") else []
    undo = Undo(f"{place.path}/calibration", {"action": "undo", "from": str(from_ms), "spills": ",".join(map(str, spills))})
    before = factor_at(meters, from_ms - 1, PULSES_PER_LITRE)
    return Done(place.path, f"Saved: {result.pulses_per_litre} pulses per litre from now on, {before} before.", undo)


def _spilled(connection: Connection, pours: list[Pour], made_ms: int) -> list[int]:
    """Corrects the pours that are not spilled yet. Returns the keys of the corrections that the calibration of that time has made."""
    for pour in pours:
        if not pour.spilled:
            correct(connection, pour.key, CorrectionKind.SPILL, None, made_ms)
    found = [each for pour in pours for each in corrections_of(connection, pour.key)]
    return [each.key for each in found if each.kind is CorrectionKind.SPILL and each.made_ms == made_ms and each.undone_ms is None]


def _undo(connection: Connection, form: Form, place: Place) -> Done | None:
    from_ms = form.whole("from", 1, _LATEST_MS)
    if from_ms is None or not unset_meter(connection, place.tap.key, from_ms):
        form.errors["action"] = "this calibration is undone already"
        return None
    for key in form.typed.get("spills", "").split(",")[:POURS_AT_MOST]:
        correction = whole(key, _KEY_AT_MOST)
        if correction is not None:
            undo_correction(connection, correction, now_ms())
    return Done(place.path, "Undone: the flow meter counts as before.")


ROUTES = (Route(PATH + "/calibration", calibration_page), Route(PATH + "/calibration", set_calibration, methods=["POST"]))
