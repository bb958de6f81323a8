"""The state of a pin as a file: what is written is read, what is not whole is not."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.meter import state
from kegnet.meter.checkpoint import Checkpoint
from kegnet.meter.flow import Cause, Ended, Flow, Kind
from kegnet.meter.state import PinState, StateError, Unwritten

BOOT = "0e7e1a4c-5d1f-4a3e-9d2c-111111111111"
NUMBERS = st.integers(0, 10**19)
FLOWS = st.builds(Flow, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
ENDED = st.builds(Ended, st.sampled_from(Kind), st.sampled_from(Cause), FLOWS)
NAMES = st.sampled_from(["", "01800000050000.running", "01800000050000.2.running"])
CHECKPOINTS = st.builds(Checkpoint, NUMBERS, FLOWS, NUMBERS, st.just(BOOT), NUMBERS | st.none(), st.booleans())
STATES = st.builds(
    PinState, st.integers(0, 27), st.just(BOOT), NUMBERS, NUMBERS, NUMBERS, st.sampled_from(Kind), FLOWS | st.none(), ENDED | st.none(),
    NUMBERS | st.none(), NUMBERS | st.none(), NAMES, st.lists(st.builds(Unwritten, NAMES, CHECKPOINTS | st.none()), max_size=3).map(tuple),
    NUMBERS, st.sampled_from(["", "/srv/a spool/-"]),
)  # fmt: skip
EXAMPLE = PinState(
    17, BOOT, 1586, 1586, 2, Kind.POUR, Flow(5, 9, 3, 0), Ended(Kind.DRIP, Cause.IDLE, Flow(1, 2, 2, 0)), ts=7, file="017.running"
)


@given(STATES)
def test_a_state_is_read_as_it_was_written(written: PinState) -> None:
    assert PinState.parse(written.line()) == written


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"17\n", EXAMPLE.line()[:-13], EXAMPLE.line() + b"x", b"\xff" + EXAMPLE.line(), b"a" + EXAMPLE.line()]
)
def test_anything_else_is_not_a_state(content: bytes) -> None:
    with pytest.raises(StateError):
        PinState.parse(content)


def test_the_file_is_replaced_and_removed(tmp_path: Path) -> None:
    assert state.read(tmp_path, 17) is None
    state.write(tmp_path, EXAMPLE)
    state.write(tmp_path, EXAMPLE)
    assert state.read(tmp_path, 17) == EXAMPLE
    assert [path.name for path in tmp_path.iterdir()] == ["pin-17"]
    state.remove(tmp_path, 17)
    state.remove(tmp_path, 17)
    assert state.read(tmp_path, 17) is None


def test_a_state_that_was_written_in_part_is_not_used(tmp_path: Path) -> None:
    state.write(tmp_path, EXAMPLE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left on device") as raised:
            state.write(tmp_path, EXAMPLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    # The number keeps the same error from being logged at each save.
    assert raised.value.errno == errno.ENOSPC
    assert state.read(tmp_path, 17) == EXAMPLE
