"""When alarms begin and end: pure values, at their exact boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.alarms import (
    CLEARED,
    DELAY_MS,
    RAISED,
    UNCHANGED,
    AlarmKind,
    Condition,
    Heard,
    Signal,
    cold_signal,
    empty_signal,
    low_signal,
    silence_allowed_ms,
    silence_signal,
    silent_from_ms,
    warmth_signal,
)

MINUTE = 60_000
NOON = 1_800_000_000_000
WARMEST = 6000
COLDEST = 1000
ON = Condition(on=True)
OFF = Condition()


def test_the_kinds_are_the_words_that_people_read() -> None:
    assert [kind.value for kind in AlarmKind] == ["silent", "too warm", "too cold", "keg low", "keg empty"]


def test_signals() -> None:
    assert Signal(raised=True, cleared=False) == RAISED
    assert Signal(raised=False, cleared=True) == CLEARED
    assert Signal(raised=False, cleared=False) == UNCHANGED


def test_the_delay_is_ten_minutes() -> None:
    assert DELAY_MS == 10 * MINUTE


def test_an_alarm_without_a_delay_goes_on_at_once() -> None:
    assert OFF.after(NOON, RAISED) == Condition(on=True, since_ms=NOON)


def test_an_alarm_with_a_delay_waits_for_it_to_pass() -> None:
    waiting = OFF.after(NOON, RAISED, 10)
    assert waiting == Condition(on=False, since_ms=NOON)
    assert waiting.after(NOON + 9, RAISED, 10) == waiting
    assert waiting.after(NOON + 10, RAISED, 10) == Condition(on=True, since_ms=NOON)


def test_a_short_disturbance_is_no_alarm() -> None:
    waiting = OFF.after(NOON, RAISED, 10)
    assert waiting.after(NOON + 5, CLEARED, 10) == OFF
    assert waiting.after(NOON + 5, UNCHANGED, 10) == OFF
    assert waiting.after(NOON + 5, CLEARED, 10).after(NOON + 12, RAISED, 10) == Condition(on=False, since_ms=NOON + 12)


def test_an_alarm_stays_on_between_its_limits_and_ends_when_it_is_cleared() -> None:
    assert ON.after(NOON, RAISED) == ON
    assert ON.after(NOON, UNCHANGED) == ON
    assert ON.after(NOON, CLEARED) == OFF


def test_a_reading_that_comes_late_counts_from_its_own_time() -> None:
    assert Condition(since_ms=NOON).after(NOON - 5, RAISED, 10) == Condition(on=False, since_ms=NOON - 5)


@given(st.lists(st.tuples(st.integers(0, 1000), st.sampled_from([RAISED, CLEARED, UNCHANGED]))), st.integers(0, 500))
def test_an_alarm_begins_and_ends_in_turn_and_never_without_its_signal(steps: list[tuple[int, Signal]], delay: int) -> None:
    state, at_ms = OFF, 0
    for passed, signal in steps:
        at_ms += passed
        after = state.after(at_ms, signal, delay)
        if after.on and not state.on:
            assert signal == RAISED
            assert after.since_ms is not None and at_ms - after.since_ms >= delay
        if state.on and not after.on:
            assert signal == CLEARED
        state = after


# --- silence


def test_a_client_that_was_just_added_is_not_silent_for_half_an_hour() -> None:
    assert silent_from_ms(Heard([]), NOON) == NOON + 30 * MINUTE


def test_a_client_is_silent_half_an_hour_after_its_only_message() -> None:
    assert silent_from_ms(Heard([NOON]), NOON - 10**9) == NOON + 30 * MINUTE


def test_a_client_that_is_added_again_is_not_silent_because_of_its_past() -> None:
    assert silent_from_ms(Heard([NOON - 10**9]), NOON) == NOON + 30 * MINUTE


def test_silence_is_three_times_the_median_of_the_gaps() -> None:
    gaps = [MINUTE, 20 * MINUTE, 21 * MINUTE, 300 * MINUTE]
    times = [NOON]
    for gap in gaps:
        times.append(times[-1] - gap)
    assert silent_from_ms(Heard(times), 0) == NOON + round(3 * 20.5 * MINUTE)


def test_silence_takes_half_an_hour_at_least() -> None:
    assert silent_from_ms(Heard([NOON, NOON - 10 * MINUTE + 1, NOON - 20 * MINUTE + 2]), 0) == NOON + 30 * MINUTE
    assert silent_from_ms(Heard([NOON, NOON - 10 * MINUTE - 1, NOON - 20 * MINUTE - 2]), 0) == NOON + 30 * MINUTE + 3


def test_the_order_of_the_messages_does_not_matter() -> None:
    times = [NOON, NOON - 60 * MINUTE, NOON - 120 * MINUTE]
    assert silent_from_ms(Heard(times), 0) == silent_from_ms(Heard(times[::-1]), 0) == NOON + 180 * MINUTE


def test_silence_begins_exactly_when_the_time_is_over() -> None:
    assert silence_signal(NOON, NOON - 1) == CLEARED
    assert silence_signal(NOON, NOON) == RAISED
    assert silence_signal(NOON, NOON + 1) == RAISED


def test_pours_between_two_pings_do_not_shorten_the_time_of_a_silence() -> None:
    hourly = [NOON - number * 60 * MINUTE for number in range(8)]
    pours = [NOON + number * MINUTE for number in range(1, 9)]
    assert silence_allowed_ms(Heard(hourly, pours)) == 180 * MINUTE
    assert silent_from_ms(Heard(hourly, pours), 0) == NOON + 188 * MINUTE


def test_without_pings_the_pours_give_the_time_of_a_silence() -> None:
    pours = [NOON - number * 60 * MINUTE for number in range(4)]
    assert silence_allowed_ms(Heard(pours=pours)) == 180 * MINUTE
    stopped = [NOON - (1000 + number) * MINUTE for number in range(8)]
    assert silence_allowed_ms(Heard(stopped, pours)) == 180 * MINUTE, "its thermometer is gone"


def test_a_board_without_a_thermometer_is_silent_half_an_hour_after_its_last_sign_of_life() -> None:
    pours = [NOON - number * 48 * 60 * MINUTE for number in range(8)]
    assert silent_from_ms(Heard((), pours, NOON + 5 * MINUTE), 0) == NOON + 35 * MINUTE
    assert silent_from_ms(Heard((), pours, NOON - 5 * MINUTE), 0) == NOON + 30 * MINUTE


def test_a_silence_begins_and_ends_no_alarm_until_a_server_received_for_long_enough() -> None:
    assert silence_signal(NOON, NOON - 1, noticed_from=NOON + 9) == CLEARED
    assert silence_signal(NOON, NOON + 8, noticed_from=NOON + 9) == UNCHANGED
    assert silence_signal(NOON, NOON + 9, noticed_from=NOON + 9) == RAISED


# --- temperatures


@pytest.mark.parametrize(
    ("millicelsius", "signal"),
    [(6001, RAISED), (6000, UNCHANGED), (5501, UNCHANGED), (5500, CLEARED), (5499, CLEARED), (-5000, CLEARED)],
)
def test_too_warm_is_above_the_limit_and_ends_half_a_degree_below(millicelsius: int, signal: Signal) -> None:
    assert warmth_signal(millicelsius, None, WARMEST) == signal
    assert warmth_signal(millicelsius, COLDEST, WARMEST) == signal


@pytest.mark.parametrize(
    ("millicelsius", "signal"),
    [(999, RAISED), (1000, UNCHANGED), (1499, UNCHANGED), (1500, CLEARED), (1501, CLEARED), (9000, CLEARED)],
)
def test_too_cold_is_below_the_limit_and_ends_half_a_degree_above(millicelsius: int, signal: Signal) -> None:
    assert cold_signal(millicelsius, COLDEST, None) == signal
    assert cold_signal(millicelsius, COLDEST, WARMEST) == signal


@pytest.mark.parametrize("millicelsius", [-55_000, 0, 125_000])
def test_without_a_limit_there_is_no_alarm(millicelsius: int) -> None:
    assert warmth_signal(millicelsius, COLDEST, None) == CLEARED
    assert cold_signal(millicelsius, None, WARMEST) == CLEARED


def test_a_limit_of_zero_degrees_is_a_limit() -> None:
    assert warmth_signal(1, None, 0) == RAISED
    assert cold_signal(-1, 0, None) == RAISED


@pytest.mark.parametrize(("millicelsius", "signal"), [(4001, RAISED), (4000, UNCHANGED), (3701, UNCHANGED), (3700, CLEARED)])
def test_limits_that_are_close_end_the_alarm_in_their_middle(millicelsius: int, signal: Signal) -> None:
    assert warmth_signal(millicelsius, 3400, 4000) == signal
    assert cold_signal(7400 - millicelsius, 3400, 4000) == signal


def test_equal_limits_end_the_alarm_at_the_limit() -> None:
    assert warmth_signal(4000, 4000, 4000) == cold_signal(4000, 4000, 4000) == CLEARED


@given(st.lists(st.integers(-10_000, 20_000), min_size=1), st.integers(-5000, 15_000), st.integers(0, 3000))
def test_too_warm_and_too_cold_are_never_on_together(readings: list[int], coldest: int, width: int) -> None:
    warm = cold = OFF
    for at_ms, millicelsius in enumerate(readings):
        warm = warm.after(at_ms, warmth_signal(millicelsius, coldest, coldest + width))
        cold = cold.after(at_ms, cold_signal(millicelsius, coldest, coldest + width))
        assert not (warm.on and cold.on)


# --- kegs


@pytest.mark.parametrize(
    ("left_ml", "signal"),
    [(0.0, RAISED), (500.0, RAISED), (500.1, UNCHANGED), (1000.0, UNCHANGED), (1000.1, CLEARED), (50_000.0, CLEARED)],
)
def test_a_keg_is_empty_at_one_percent_until_more_than_two(left_ml: float, signal: Signal) -> None:
    assert empty_signal(left_ml, 50_000) == signal


@pytest.mark.parametrize(
    ("left_ml", "signal"),
    [(5000.0, RAISED), (5000.1, UNCHANGED), (5500.0, UNCHANGED), (5500.1, CLEARED), (50_000.0, CLEARED)],
)
def test_a_keg_is_low_at_ten_percent_until_more_than_eleven(left_ml: float, signal: Signal) -> None:
    assert low_signal(left_ml, 50_000, empty=False) == signal


def test_an_empty_keg_is_not_low_as_well() -> None:
    assert low_signal(0.0, 50_000, empty=True) == CLEARED


@pytest.mark.parametrize(("left_ml", "volume_ml"), [(None, None), (None, 50_000), (0.0, None), (0.0, 0)])
def test_a_keg_of_unknown_content_is_no_alarm(left_ml: float | None, volume_ml: int | None) -> None:
    assert empty_signal(left_ml, volume_ml) == CLEARED
    assert low_signal(left_ml, volume_ml, empty=False) == CLEARED


def test_the_smallest_keg_has_its_alarms() -> None:
    assert empty_signal(0.0, 1) == RAISED


@given(st.lists(st.floats(0, 20_000), min_size=1))
def test_low_and_empty_are_never_on_together(levels: list[float]) -> None:
    low = empty = OFF
    for at_ms, left_ml in enumerate(levels):
        empty = empty.after(at_ms, empty_signal(left_ml, 20_000))
        low = low.after(at_ms, low_signal(left_ml, 20_000, empty.on))
        assert not (low.on and empty.on)
