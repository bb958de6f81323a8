"""The manual pages and --help contain what the programs do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kegnet.client.commands import arguments as client
from kegnet.meter.commands import arguments as meter
from kegnet.server.commands import main as server
from kegnet.server.parameters import EXPECTED

ROOT = Path(__file__).resolve().parents[2]
STATUSES = {
    "client": {"0", "1", "2", "70", "74", "75", "78", "130", "141"},
    "meter": {"0", "1", "2", "70", "74", "78", "130", "141"},
    "server": {"0", "1", "2", "74", "75", "78", "130", "141"},
}
HELP = {"client": client.HELP, "meter": meter.HELP, "server": server.HELP}
PARAMETERS = [
    (name, parameter)
    for name in ("client", "meter")
    for parameter in re.findall(r"^#?(\w+) =", (ROOT / f"conf/{name}.conf").read_text(), re.MULTILINE)
]


def page(name: str) -> str:
    """A manual page."""
    return (ROOT / "service/man" / name).read_text().replace("\\-", "-")


def log_phrases(name: str) -> set[str]:
    """The fixed parts of the log lines in the manual page of a program."""
    section = page(f"kegnet-{name}.8").split(".SH LOG\n")[1].split("\n.SH ")[0]
    heads = re.findall(r"^\.TP\n(\..*)$", section, re.MULTILINE)
    texts = {text.strip(" :;()") for head in heads for text in re.split(r'\.\.\.|"|\\f.|\b[A-Z]{3,}\b|X\.pour\S*|^\.[A-Z]+', head)}
    return {text for text in texts if len(text) > 11}


def source(name: str) -> str:
    """The source of a program, with what it shares with the other one."""
    modules = [path for package in (name, "core") for path in (ROOT / "lib/kegnet" / package).rglob("*.py")]
    return " ".join(path.read_text() for path in [ROOT / f"lib/{name}.py", *modules])


@pytest.mark.parametrize("name", STATUSES)
def test_each_exit_status_is_in_the_manual_and_in_help(name: str) -> None:
    section = page(f"kegnet-{name}.8").split(".SH EXIT STATUS\n")[1].split("\n.SH ")[0]
    assert set(re.findall(r"^\.B ([0-9]+)$", section, re.MULTILINE)) == STATUSES[name]
    epilog = HELP[name].split("Exit status: ")[1]
    assert set(re.findall(r"(?:^|[;\n]) ?([0-9]+) ", epilog)) == STATUSES[name]


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_each_parameter_of_the_template_is_in_the_reference(name: str, parameter: str) -> None:
    assert f".TP\n.B {parameter}\n" in page(f"{name}.conf.5")


def test_the_log_lines_of_the_clients_manual_are_those_of_the_program() -> None:
    phrases = log_phrases("client")
    text = source("client").replace("{kind}", "pings").replace("%s is to be %s", "%s is to be deleted") + "pours are not accepted"
    again = {"server available again after", "authorised again after", "pings are accepted again after"}
    assert len(phrases) > 15
    assert [phrase for phrase in phrases - again if phrase not in text] == []
    assert [phrase for phrase in again if phrase.removesuffix(" after") not in text] == []


def test_the_log_lines_of_the_meters_manual_are_those_of_the_program() -> None:
    phrases = log_phrases("meter")
    assert len(phrases) > 15
    assert [phrase for phrase in phrases if phrase not in source("meter")] == []


def test_the_states_of_the_meters_manual_are_those_of_the_program() -> None:
    section = page("kegnet-meter.8").split(".SH STATES\n")[1].split("\n.SH ")[0]
    states = re.findall(r"^\.TP\n\.B (.*)$", section, re.MULTILINE)
    assert len(states) > 5
    assert [part for state in states for part in state.split("...") if part.strip() not in source("meter")] == []


def server_commands() -> list[tuple[str, str]]:
    """Each command of kegnet-server with its arguments' options, as the source adds them."""
    found = []
    for path in sorted((ROOT / "lib/kegnet/server/commands").glob("*.py")):
        text = path.read_text()
        group = "".join(re.findall(r'add_group\(verbs, "(\w+)"', text))
        words = re.findall(r'add_(?:command|unopened)\(\s*\w+, "(\w+)"', text)
        found += [(f"{group} {word}".strip(), word) for word in words]
    return found


def test_each_command_of_the_server_is_in_its_manual_and_its_completion() -> None:
    commands = server_commands()
    manual = re.sub(r'[" ]+', " ", re.sub(r"\\f.|[|{}\[\]]", "", page("kegnet-server.8")))
    completion = (ROOT / "service/completion/kegnet-server").read_text()
    assert len(commands) > 25
    assert [name for name, _ in commands if not name.startswith("boards") and name not in manual] == []
    assert [name for name, word in commands if word not in completion] == []


def test_each_option_of_the_server_is_in_its_manual_and_its_completion() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "lib/kegnet/server/commands").glob("*.py"))
    options = set(re.findall(r'"--([a-z-]+)"', sources)) | set(EXPECTED)
    completion = (ROOT / "service/completion/kegnet-server").read_text()
    assert len(options) > 20
    assert [option for option in sorted(options) if option not in page("kegnet-server.8")] == []
    assert [option for option in sorted(options) if f"--{option}" not in completion] == []


@pytest.mark.parametrize("parameter", EXPECTED)
def test_each_parameter_of_the_server_is_in_its_manual_and_in_the_template(parameter: str) -> None:
    section = page("kegnet-server.8").split(".SH CONFIGURATION\n")[1].split("\n.SH ")[0]
    assert re.search(rf"^\.BR? .*\b{parameter}\b", section, re.MULTILINE)
    assert re.search(rf"^(# )?{parameter} = ", (ROOT / "service/kegnet-server.conf").read_text(), re.MULTILINE)
