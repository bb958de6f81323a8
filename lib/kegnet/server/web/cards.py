"""The card of a tap: values, and texts that depend on the reader's units. Its template is `templates/card.html`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from ..model.forecast import until
from ..model.levels import glasses, keg_state, level
from ..model.units import Units, counted
from ..overview import ClientState, TapState
from ..storage.records import Beer, Pour

_GLASS_HEIGHT = 95.0
"""How far the beer of `templates/card.html` moves from a full glass to an empty one. static/card.js has the same number."""


@dataclass(frozen=True)
class Card:
    """A tap. `id` is its client's UUID and its pin; `alarms` are its own. Without a keg `state` is `none`."""

    state_of_tap: TapState
    client: str
    label: str
    alarms: tuple[str, ...]
    now_ms: int
    zone: tzinfo

    @property
    def id(self) -> str:
        """The id of the tap in pages and events."""
        return f"{self.client}-{self.pin}"

    @property
    def pin(self) -> int:
        """The tap's pin."""
        return self.state_of_tap.tap.pin

    @property
    def beer(self) -> Beer | None:
        """The beer in the keg."""
        keg = self.state_of_tap.keg
        return None if keg is None else keg.beer

    @property
    def name(self) -> str:
        """The headline: the beer's name, else the tap's."""
        return self.beer.name if self.beer else self.state_of_tap.tap.name

    @property
    def kind(self) -> str:
        """Brewery and style, as far as they are known."""
        return " · ".join(part for part in (self.beer.brewery, self.beer.style) if part) if self.beer else ""

    @property
    def full_ml(self) -> int | None:
        """The size of the keg, else the volume in it when it was put on."""
        keg = self.state_of_tap.keg
        return None if keg is None else keg.full_ml

    @property
    def level(self) -> float | None:
        """How full the keg is, 0 to 1; without a keg 0, None where that is unknown."""
        return 0.0 if self.state_of_tap.keg is None else level(self.state_of_tap.left_ml, self.full_ml)

    @property
    def state(self) -> str:
        """`ok`, `low`, `empty`, or `none` without a keg."""
        return keg_state(self.state_of_tap.keg is not None, self.state_of_tap.left_ml, self.full_ml)

    @property
    def last(self) -> Pour | None:
        """The last pour of the keg, or of the tap if no keg is on."""
        return self.state_of_tap.last_of_keg

    def left_text(self, units: Units) -> str:
        """The volume that is left in the keg."""
        left = self.state_of_tap.left_ml
        if self.state == "none":
            return "No keg"
        if left is None:
            return "Level unknown"
        return "Empty" if self.state == "empty" else units.keg(left)

    def glasses_text(self, glass_ml: int) -> str:
        """How many glasses are left; empty if that is unknown."""
        number = None if self.state in ("none", "empty") else glasses(self.state_of_tap.left_ml, glass_ml)
        return "" if number is None else counted(number, "glass")

    def until_text(self) -> str:
        """Until when the keg lasts; empty if nothing was poured lately."""
        lasts = self.state_of_tap.lasts_ms
        return "" if lasts is None or self.state in ("none", "empty") else until(lasts, self.now_ms, self.zone)


def cards_of(states: list[ClientState], now_ms: int, zone: tzinfo, *, alarms_first: bool = True) -> list[Card]:
    """The cards of all taps of these clients, in the order of the clients and their pins; `alarms_first`: those with an alarm first."""
    several = len(states) > 1
    cards = [_card(state, tap, several, now_ms, zone) for state in states for tap in state.taps]
    if not alarms_first:
        return cards
    troubled = {state.client.uuid for state in states if any(alarm.tap is None for alarm in state.alarms)}
    return sorted(cards, key=lambda card: 0 if card.alarms else 1 if card.client in troubled else 2)


def _card(state: ClientState, tap: TapState, several: bool, now_ms: int, zone: tzinfo) -> Card:
    alarms = tuple(alarm.kind for alarm in state.alarms if alarm.tap == tap.tap.key)
    beer = tap.keg.beer if tap.keg else None
    name = f"tap {tap.tap.pin}" if beer is None or beer.name == tap.tap.name else tap.tap.name
    return Card(tap, state.client.uuid, f"{name} · {state.client.name}" if several else name, alarms, now_ms, zone)


def glass_shift(part: float | None) -> str:
    """How far the beer in the glass is moved down for a level of 0 to 1; unknown (None) is full. At 0 its foam is hidden, too."""
    shift = 0.0 if part is None else (1 - part) * _GLASS_HEIGHT if part > 0 else 1.2 * _GLASS_HEIGHT
    return f"{shift:.1f}"
