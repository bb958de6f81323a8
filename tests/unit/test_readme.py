"""The two READMEs name tests that exist and messages that the program logs."""

from __future__ import annotations

import re
import subprocess
import sys
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


def test_the_program_that_hands_over_a_pour_syncs_the_file_before_the_rename_and_the_directory_after_it(tmp_path: Path) -> None:
    programs = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (program,) = [text.replace("/usr/share/kegnet-client/spool", str(tmp_path / "spool")) for text in programs if ".pour" in text]
    trace, spool = tmp_path / "trace", tmp_path / "spool"
    spool.mkdir()
    strace = ["strace", "-qq", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o", str(trace)]
    subprocess.run([*strace, sys.executable, "-B", "-c", program], check=True)
    (pour,) = spool.iterdir()
    assert re.fullmatch(r"17,586,8213,[0-9]+\n", pour.read_text())
    file_synced, renamed, directory_synced = trace.read_text().splitlines()
    assert re.match(rf"fsync\(\d+<{spool}/\d+\.tmp>\) *= 0", file_synced)
    assert renamed.startswith("rename")
    assert re.match(rf"fsync\(\d+<{spool}>\) *= 0", directory_synced)
