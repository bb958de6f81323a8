"""The manual pages and --help contain what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kegnet.client.commands import arguments

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "service/man/kegnet-client.8").read_text().replace("\\-", "-")
REFERENCE = (ROOT / "service/man/client.conf.5").read_text().replace("\\-", "-")
STATUSES = {"0", "1", "2", "70", "74", "75", "78", "130", "141"}


def test_each_exit_status_is_in_the_manual_and_in_help() -> None:
    section = MANUAL.split(".SH EXIT STATUS\n")[1].split("\n.SH ")[0]
    assert set(re.findall(r"^\.B ([0-9]+)$", section, re.MULTILINE)) == STATUSES
    epilog = arguments.HELP.split("Exit status: ")[1]
    assert set(re.findall(r"(?:^|[;\n]) ?([0-9]+) ", epilog)) == STATUSES


@pytest.mark.parametrize("parameter", re.findall(r"^#?(\w+) =", (ROOT / "conf/client.conf").read_text(), re.MULTILINE))
def test_each_parameter_of_the_template_is_in_the_reference(parameter: str) -> None:
    assert f".TP\n.B {parameter}\n" in REFERENCE


def test_the_log_lines_of_the_manual_are_those_of_the_program() -> None:
    section = MANUAL.split(".SH LOG\n")[1].split("\n.SH ")[0]
    heads = re.findall(r"^\.TP\n(\..*)$", section, re.MULTILINE)
    texts = {text.strip(" :;()") for head in heads for text in re.split(r'\.\.\.|"|\\f.|\b[A-Z]{3,}\b|X\.pour\S*|^\.[A-Z]+', head)}
    phrases = {text for text in texts if len(text) > 11}
    source = " ".join(path.read_text() for path in [ROOT / "lib/client.py", *(ROOT / "lib/kegnet/client").rglob("*.py")])
    source = source.replace("{kind}", "pings").replace("%s is to be %s", "%s is to be deleted") + "pours are not accepted"
    again = {"server available again after", "authorised again after", "pings are accepted again after"}
    assert len(phrases) > 15
    assert [text for text in phrases - again if text not in source] == []
    assert [text for text in again if text.removesuffix(" after") not in source] == []
