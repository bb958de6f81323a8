"""What a card shows of a tap."""

from __future__ import annotations

from datetime import UTC

from kegnet.server.model.units import Units
from kegnet.server.overview import ClientState, TapState
from kegnet.server.storage.records import Alarm, Beer, Client, Keg, Tap
from kegnet.server.web.cards import Card, cards_of, glass_shift

NOW = 1_795_618_800_000
"""A Wednesday, 15:00 UTC."""
DAY_MS = 86_400_000
IPA = Beer(1, "Two Sunsets", "Own brew", "IPA", 6.4, 58.0, 8.0, "")


def tap(
    key: int = 1, *, beer: Beer | None = IPA, left: float | None = 9500.0, lasts_ms: int | None = 3 * DAY_MS, on: bool = True
) -> TapState:
    keg = Keg(key, key, beer, NOW - DAY_MS, None, 19_000, None if left is None else 19_000) if on else None
    return TapState(Tap(key, 1, key, f"tap {key}", False, 5600), keg, (), 0, 0, left if on else None, lasts_ms if on else None)


def client(name: str, *taps: TapState, alarms: tuple[Alarm, ...] = ()) -> ClientState:
    return ClientState(Client(1, f"uuid-{name}", name, "kegnet", "x", 0, None, None), None, None, alarms, taps)


def card(state: TapState) -> Card:
    return cards_of([client("Garage", state)], NOW, UTC)[0]


def texts(made: Card) -> tuple[str, str, str]:
    return made.left_text(Units()), made.glasses_text(330), made.until_text()


def test_a_card_shows_the_beer_and_what_is_left() -> None:
    made = card(tap())
    assert (made.id, made.label, made.name, made.kind) == ("uuid-Garage-1", "tap 1", "Two Sunsets", "Own brew · IPA")
    assert (made.state, made.level, made.full_ml) == ("ok", 0.5, 19_000)
    assert texts(made) == ("9.5 l", "28 glasses", "until Saturday")


def test_one_glass_is_one_glass() -> None:
    assert texts(card(tap(left=330.0)))[1] == "1 glass"


def test_a_keg_that_nobody_pours_from_has_no_end() -> None:
    assert texts(card(tap(lasts_ms=None)))[2] == ""


def test_an_empty_keg_lasts_no_longer() -> None:
    made = card(tap(left=0.0))
    assert made.state == "empty"
    assert texts(made) == ("Empty", "", "")


def test_an_unknown_level_is_not_empty() -> None:
    made = card(tap(left=None, lasts_ms=None))
    assert (made.state, made.level) == ("ok", None)
    assert texts(made) == ("Level unknown", "", "")


def test_a_tap_without_a_keg_has_its_own_name() -> None:
    made = card(tap(on=False))
    assert (made.state, made.level, made.name, made.kind) == ("none", 0.0, "tap 1", "")
    assert texts(made) == ("No keg", "", "")


def test_a_tap_is_named_like_its_client_where_there_are_several() -> None:
    labels = [made.label for made in cards_of([client("Garage", tap(1)), client("Cellar", tap(2))], NOW, UTC)]
    assert labels == ["tap 1 · Garage", "tap 2 · Cellar"]


def test_alarms_come_first_those_of_taps_before_those_of_clients() -> None:
    silent, low = Alarm(1, 1, None, "silent", 0, None), Alarm(2, 1, 5, "keg low", 0, None)
    states = [client("a", tap(1), tap(2)), client("b", tap(3), alarms=(silent,)), client("c", tap(4), tap(5), alarms=(low,))]
    made = cards_of(states, NOW, UTC)
    assert [one.pin for one in made] == [5, 3, 1, 2, 4]
    assert [one.alarms for one in made][:2] == [("keg low",), ()]


def test_the_beer_moves_by_the_height_of_the_glass() -> None:
    assert [glass_shift(part) for part in (1.0, 0.5, None)] == ["0.0", "47.5", "0.0"]
    assert float(glass_shift(0.0)) > float(glass_shift(0.001)), "of an empty glass, the foam is not seen either"
