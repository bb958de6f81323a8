"""The keg of a tap: put a new one on, change it, take it off, and undo each of these."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..model.alarms import AlarmKind
from ..model.keg_sizes import usual_sizes_ml
from ..model.units import Units
from ..model.weights import BEER_DENSITY
from ..storage import Connection
from ..storage.alarms import open_alarms
from ..storage.beers import beers
from ..storage.kegs import TooEarlyError, change_keg, find_keg, kegs_of, kegs_on, lock_tap, put_back, put_on, set_level, take_off, undo_keg
from ..storage.records import Keg
from ..storage.settings import household
from . import times
from .database import now_ms
from .forms import Form
from .render import units_of
from .submit import NO_MISTAKE, Done, Mistake, Undo, guard_of, submit
from .tap_contents import LARGEST_KEG_ML, added_beer, beer_of, changed_size_of, contents_of, earlier_beer_of, since_of, size_of, start_of
from .tap_pages import Values, common_values, show
from .tap_place import PATH, Place, announce_change, place_of

_NONE = ""
_TOGETHER = (("beer",), ("volume_ml", "start_ml"))
"""The values that are undone together: a level depends on the size."""


async def keg_page(request: Request) -> Response:
    """The forms."""
    await guard_of(request).check(request)
    return await _show(request, NO_MISTAKE)


async def _show(request: Request, mistake: Mistake) -> Response:
    def query(connection: Connection) -> Values:
        place = place_of(connection, request)
        common = common_values(connection, place)
        units = units_of(request, common["household"], mistake.typed)
        last = kegs_of(connection, place.tap.key, 1)
        keg = last[0] if last and last[0].off_ms is None else None
        return {
            **common,
            "units": units,
            "mistake": mistake,
            "form": _form_of(mistake, keg),
            "keg": keg,
            "last_keg": last[0] if last else None,
            "silent": any(alarm.kind == AlarmKind.SILENT.value for alarm in open_alarms(connection, [place.client.key])),
            "beers": beers(connection),
            "sizes": usual_sizes_ml(units.volume),
            "usual_ml": _usual_ml(units, last),
            "density": f"{BEER_DENSITY:.3f}",
            "weight_unit": "kg" if units.volume in ("l", "imp-pt") else "lb",
        }

    return await show(request, "tap_keg.html", query, 400 if mistake.errors else 200)


def _form_of(mistake: Mistake, keg: Keg | None) -> str:
    """The form that has the errors: `new` or `change`. Empty if they are about another keg: what was typed must not change this one."""
    action = mistake.typed.get("action", "")
    return action if mistake.errors and (action == "new" or _is_about(mistake.typed, keg)) else ""


def _is_about(typed: Mapping[str, str], keg: Keg | None) -> bool:
    """Whether a form is about that keg: its field `keg` is the key (empty: no keg), or absent."""
    return "keg" not in typed or typed["keg"] == _key_of(keg)


def _key_of(keg: Keg | None) -> str:
    return "" if keg is None else str(keg.key)


def _usual_ml(units: Units, last: list[Keg]) -> int:
    """The preselected size: that of the previous keg."""
    before = last[0].volume_ml if last else None
    return before or usual_sizes_ml(units.volume)[1]


async def change_keg_of_tap(request: Request) -> Response:
    """Changes the keg of a tap. `action`: `new` keg, `change` the present one, take it `off`, put it `back`, or `undo` a new one.

    With a field `keg`, a key, the present one is only changed or replaced if it is that keg: another reader may have put a new one on.
    """

    def change(connection: Connection, form: Form, units: Units) -> Done | None:
        place = place_of(connection, request)
        lock_tap(connection, place.tap.key)
        keg = kegs_on(connection, [place.tap.key]).get(place.tap.key)
        announce_change(connection, place)
        match form.typed.get("action"):
            case "new":
                return _new(connection, form, units, place, keg)
            case "back" | "restore" as action:
                return _UNDOS[action](connection, form, place)
            case "change" | "off" | "undo" as action if keg is not None and _is_about(form.typed, keg):
                return _CHANGES[action](connection, form, units, place, keg)
            case "change" | "off" | "undo":
                form.errors["action"] = (
                    "no keg is on this tap" if keg is None else "another keg is on this tap; check its values below and try again"
                )
            case _:
                form.errors["action"] = "choose what to do: new, change, off or undo"
        return None

    return await submit(request, f"keg at tap {request.path_params['pin']} of client {request.path_params['client']}", change, _show)


def _new(connection: Connection, form: Form, units: Units, place: Place, present: Keg | None) -> Done | None:
    beer, size_ml = beer_of(connection, form), size_of(form, units)
    start_ml = contents_of(form, units, size_ml)
    now = now_ms()
    on_ms = since_of(form, times.zone_of(household(connection).time_zone), now)
    keg = None if _is_about(form.typed, present) else present
    if not form.errors and not _is_about(form.typed, present) and not _is_put_on_by(form, present, (beer, size_ml, start_ml), on_ms):
        form.errors["action"] = "another keg was put on or taken off meanwhile; send the form again if this one is on now"
    if form.errors:
        return None
    if keg is None:
        try:
            keg = put_on(connection, place.tap.key, beer=beer, on_ms=on_ms, volume_ml=size_ml, start_ml=start_ml)
        except TooEarlyError as error:
            form.errors["on"] = str(error)
            return None
        change_keg(connection, keg.key, beer=added_beer(connection, form, beer))
        keg = find_keg(connection, keg.key) or keg
        if start_ml is not None and form.typed.get("contents") == "weight":
            set_level(connection, keg.key, start_ml, now)
    undo = Undo(f"{place.path}/keg", {"action": "undo", "keg": str(keg.key)})
    return Done(place.path, f"Saved: {keg.beer.name if keg.beer else 'a new keg'} is on.", undo)


def _is_put_on_by(form: Form, present: Keg | None, values: tuple[int | None, int | None, int | None], on_ms: int) -> bool:
    """Whether the form was sent before and has put this keg on (a double click). `values`: the beer's key, size, contents."""
    if present is None or present.beer is None:
        return False
    # `put_on()` can make it a millisecond later.
    same_time = not form.typed.get("on", "").strip() or on_ms in (present.on_ms, present.on_ms - 1)
    return same_time and values == (present.beer.key, present.volume_ml, present.start_ml)


def _change(connection: Connection, form: Form, units: Units, place: Place, keg: Keg) -> Done | None:
    form.omit_unchanged("beer", "new_beer")
    form.omit_unchanged("size", "volume")
    beer = keg.beer.key if keg.beer else None
    if form.has("beer") or form.has("new_beer"):
        beer = beer_of(connection, form, beer)
    size_ml = changed_size_of(form, units, keg)
    left_ml = contents_of(form, units, size_ml) if form.has("contents") else None
    start_ml = start_of(form, units, keg, size_ml) if left_ml is None and not form.errors else keg.start_ml
    if form.errors:
        return None
    change_keg(connection, keg.key, beer=added_beer(connection, form, beer), volume_ml=size_ml, start_ml=start_ml)
    if left_ml is not None:
        set_level(connection, keg.key, left_ml, now_ms())
    return Done(place.path, "Saved.", _undo_of(keg, find_keg(connection, keg.key) or keg, place))


def _undo_of(before: Keg, after: Keg, place: Place) -> Undo | None:
    """The form that undoes a change: the old value of each changed field, and as `..._now` the new value, which the keg must still have."""
    was, now = _values(before), _values(after)
    changed = [name for names in _TOGETHER if any(was[name] != now[name] for name in names) for name in names]
    values = {name: was[name] for name in changed} | {f"{name}_now": now[name] for name in changed}
    return Undo(f"{place.path}/keg", {"action": "restore", "keg": str(before.key), **values}) if changed else None


def _off(connection: Connection, _form: Form, _units: Units, place: Place, keg: Keg) -> Done | None:
    take_off(connection, keg.key, now_ms())
    return Done(place.path, "Saved: the keg is off.", Undo(f"{place.path}/keg", {"action": "back", "keg": str(keg.key)}))


def _undo(connection: Connection, _form: Form, _units: Units, place: Place, keg: Keg) -> Done | None:
    undo_keg(connection, keg.key, now_ms())
    if place.tap.key in kegs_on(connection, [place.tap.key]):
        return Done(place.path, "Undone: the previous keg is on again, and all pours count for it.")
    return Done(place.path, "Undone: no keg is on this tap.")


_CHANGES = {"change": _change, "off": _off, "undo": _undo}


def _back(connection: Connection, form: Form, place: Place) -> Done | None:
    """Undoes the removal of a keg."""
    keg = _keg_of(connection, form, place)
    if keg is None:
        return None
    put_back(connection, keg.key)
    return Done(place.path, "Undone.")


def _restore(connection: Connection, form: Form, place: Place) -> Done | None:
    """Undoes the change of a keg. Refused if its values have changed since."""
    keg = _keg_of(connection, form, place)
    restored = {
        "beer": earlier_beer_of(connection, form),
        "volume_ml": form.whole("volume_ml", 1, LARGEST_KEG_ML),
        "start_ml": form.whole("start_ml", 0, 2 * LARGEST_KEG_ML),
    }
    if keg is not None and any(form.typed.get(f"{name}_now", value) != value for name, value in _values(keg).items()):
        form.errors["action"] = "the keg has been changed again, so the earlier change cannot be undone"
    if form.errors or keg is None:
        return None
    change_keg(connection, keg.key, **{name: value for name, value in restored.items() if form.has(name)})
    return Done(place.path, "Undone.")


_UNDOS = {"back": _back, "restore": _restore}


def _keg_of(connection: Connection, form: Form, place: Place) -> Keg | None:
    """The keg of this tap that the form names. None, with an error: there is none."""
    keg = find_keg(connection, form.whole("keg", 1, 2**31 - 1) or 0)
    if keg is not None and keg.tap == place.tap.key:
        return keg
    form.errors["action"] = "there is no such keg"
    return None


def _values(keg: Keg) -> dict[str, str]:
    """The values of a keg that a change can change, as texts of a form."""
    values = {"beer": keg.beer.key if keg.beer else None, "volume_ml": keg.volume_ml, "start_ml": keg.start_ml}
    return {name: _NONE if value is None else str(value) for name, value in values.items()}


ROUTES = (Route(PATH + "/keg", keg_page), Route(PATH + "/keg", change_keg_of_tap, methods=["POST"]))
