"""What the README says of the tests is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
NAMED = re.findall(r"`(tests/\S+\.py)::(\w+)`", README)


def test_the_promises_name_tests() -> None:
    assert len(NAMED) > 10


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_promise_is_held_by_a_test_that_there_is(file: str, name: str) -> None:
    assert f"\ndef {name}(" in (ROOT / file).read_text()


def test_the_symptoms_are_in_the_programs_own_words() -> None:
    section = README.split("## When something is wrong\n")[1].split("\n## ")[0]
    seen = [text for row in section.splitlines() if row.startswith("| ") for text in re.findall("`([^`]+)`", row.split(" | ")[0])]
    words = [part.strip() for text in seen for part in re.split(r"[…(=]|\.\.\.", text) if len(part.strip()) > 12]
    said = "".join(path.read_text() for path in sorted((ROOT / "lib").rglob("*.py")))
    assert len(words) > 10
    assert [word for word in words if word.removesuffix(" 1970-01-01") not in said] == []
