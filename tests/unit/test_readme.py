"""The two READMEs name tests that exist and messages that the program logs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
NAMED_TESTS = sorted(set(re.findall(r"`(tests/\S+\.py)::(\w+)`", (ROOT / "tests/README.md").read_text())))
SHORTEST_FRAGMENT = 12
"""Shorter fragments of a message, such as its connecting words, would be found in any program."""


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_the_promises_name_tests() -> None:
    assert len(NAMED_TESTS) > 50


@pytest.mark.parametrize(("file", "name"), NAMED_TESTS)
def test_each_named_test_exists(file: str, name: str) -> None:
    assert f"\ndef {name}(" in (ROOT / file).read_text()


def test_the_symptoms_are_messages_of_the_program() -> None:
    section = README.split("## When something is wrong\n")[1].split("\n## ")[0]
    messages = [text for row in section.splitlines() if row.startswith("| ") for text in re.findall("`([^`]+)`", row.split(" | ")[0])]
    fragments = [part.strip() for text in messages for part in re.split(r"[…(=]|\.\.\.|1970-01-01", text)]
    checked = [fragment for fragment in fragments if len(fragment) > SHORTEST_FRAGMENT]
    program = "".join(path.read_text() for path in sorted((ROOT / "lib").rglob("*.py")))
    assert len(checked) > 10
    assert [fragment for fragment in checked if fragment not in program] == []
