"""What a pour counts with: corrections and k-factors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.pours import Correction, CorrectionKind, Effect, effect_of, factor_at, millilitres

DELETE, MOVE, SPILL, VOLUME = CorrectionKind.DELETE, CorrectionKind.MOVE, CorrectionKind.SPILL, CorrectionKind.VOLUME


def correction(key: int, kind: CorrectionKind, value: int | None = None, undone_ms: int | None = None) -> Correction:
    return Correction(key, 1, kind, value, 1000 + key, undone_ms)


def test_a_pour_without_corrections_is_as_it_came() -> None:
    assert effect_of([]) == Effect(tap=None, volume_ml=None, spilled=False, deleted=False, corrected=False)


@pytest.mark.parametrize(
    ("made", "effect"),
    [
        (correction(1, SPILL), Effect(spilled=True, corrected=True)),
        (correction(1, DELETE), Effect(deleted=True, corrected=True)),
        (correction(1, MOVE, 7), Effect(tap=7, corrected=True)),
        (correction(1, VOLUME, 300), Effect(volume_ml=300, corrected=True)),
    ],
)
def test_a_correction_has_the_effect_of_its_kind(made: Correction, effect: Effect) -> None:
    assert effect_of([made]) == effect


def test_corrections_of_different_kinds_count_together() -> None:
    made = [correction(1, SPILL), correction(2, MOVE, 7), correction(3, VOLUME, 300), correction(4, DELETE)]
    assert effect_of(made) == Effect(7, 300, True, True, True)


def test_of_one_kind_the_last_correction_counts_in_whatever_order_they_are_read() -> None:
    assert effect_of([correction(3, MOVE, 9), correction(2, MOVE, 7)]).tap == 9
    assert effect_of([correction(2, MOVE, 7), correction(3, MOVE, 9)]).tap == 9


def test_an_undone_correction_counts_for_nothing() -> None:
    assert effect_of([correction(1, DELETE, undone_ms=0)]) == Effect()
    assert effect_of([correction(1, VOLUME, 300), correction(2, VOLUME, 500, undone_ms=5)]).volume_ml == 300


@given(st.permutations([correction(1, MOVE, 1), correction(2, MOVE, 2), correction(3, VOLUME, 3), correction(4, VOLUME, 4, 9)]))
def test_the_effect_does_not_depend_on_the_order(made: list[Correction]) -> None:
    assert effect_of(made) == Effect(tap=2, volume_ml=3, corrected=True)


def test_the_kinds_are_as_the_table_has_them() -> None:
    assert [kind.value for kind in CorrectionKind] == ["spill", "delete", "move", "volume"]


def test_a_k_factor_counts_from_its_time_on() -> None:
    meters = [(1000, 5000), (2000, 6000)]
    assert [factor_at(meters, at_ms, 5600) for at_ms in (999, 1000, 1999, 2000, 9999)] == [5600, 5000, 5000, 6000, 6000]


def test_a_meter_that_nobody_calibrated_has_the_usual_k_factor() -> None:
    assert factor_at([], 1000, 5600) == 5600


def test_pulses_are_a_volume() -> None:
    assert millilitres(2800, 5600) == 500
    assert millilitres(1, 4000) == 0.25
