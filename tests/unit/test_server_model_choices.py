"""What each reader chooses for their own browser."""

from __future__ import annotations

from kegnet.server.model.choices import Choices
from kegnet.server.model.units import Units

AMERICAN = Units("F", "pt")


def test_what_is_not_chosen_is_as_usual() -> None:
    assert Choices.of({}, AMERICAN) == Choices(AMERICAN, "auto", "auto", "auto")


def test_each_choice_counts_by_itself() -> None:
    assert Choices.of({"volume": "l", "theme": "dark"}, AMERICAN) == Choices(Units("F", "l"), "auto", "auto", "dark")
    assert Choices.of({"clock": "12", "dates": "iso"}, AMERICAN) == Choices(AMERICAN, "12", "iso", "auto")


def test_a_cookie_that_somebody_else_wrote_counts_for_nothing() -> None:
    assert Choices.of({"temperature": "K", "volume": "", "clock": "13", "dates": "<b>", "theme": '"'}, AMERICAN) == Choices(AMERICAN)


def test_the_cookies_give_the_same_choices_again() -> None:
    chosen = Choices(Units("F", "oz"), "12", "iso", "light")
    assert Choices.of(chosen.cookies(), Units()) == chosen
