"""A finding as a line, and a parameter that --setup fills in: pure values."""

from __future__ import annotations

from kegnet.client.commands.checks.finding import Finding, Level, of_config_error
from kegnet.client.commands.setup import with_parameter
from kegnet.core.ini import ConfigError


def test_a_line_ends_with_the_fix() -> None:
    assert str(Finding("key", Level.FAILURE, "it is missing; or so", "make one")) == "failure  key: it is missing; or so; fix: make one"
    assert str(Finding("key", Level.OK, "fine")) == "ok       key: fine"


def test_a_line_is_printable() -> None:
    assert str(Finding("spool", Level.WARNING, "a\nb\033[31m")) == r"warning  spool: a\nb\x1b[31m"


def test_problem_and_fix_of_an_error_stay_apart_whatever_they_contain() -> None:
    finding = of_config_error(ConfigError("pingInterval = 600 ; ten: bad; fix: none", "use 600; no comment"))
    assert (finding.text, finding.fix) == ("pingInterval = 600 ; ten: bad; fix: none", "use 600; no comment")


def test_a_parameter_is_filled_into_our_section_only() -> None:
    text = "[Other]\nuuid =\n[KegNet]\nUUID:\n[More]\nuuid =\n"
    assert with_parameter(text, "uuid", "x") == "[Other]\nuuid =\n[KegNet]\nUUID: x\n[More]\nuuid =\n"
    assert with_parameter("[KegNet]", "uuid", "x") == "[KegNet]\nuuid = x\n"
