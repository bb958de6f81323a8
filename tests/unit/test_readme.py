"""What the README says of the tests is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"`(tests/\S+\.py)::(\w+)`", (ROOT / "README.md").read_text())


def test_the_promises_name_tests() -> None:
    assert len(NAMED) > 10


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_promise_is_held_by_a_test_that_there_is(file: str, name: str) -> None:
    assert f"\ndef {name}(" in (ROOT / file).read_text()
