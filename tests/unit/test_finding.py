"""A finding as a line, and changes of an INI file's text: pure values."""

from __future__ import annotations

from kegnet.core.finding import Finding, Level, of_config_error
from kegnet.core.ini import ConfigError
from kegnet.core.ini_edit import with_parameter, with_section


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
    assert with_parameter(text, "KegNet", "uuid", "x") == "[Other]\nuuid =\n[KegNet]\nUUID: x\n[More]\nuuid =\n"
    assert with_parameter("[KegNet]", "KegNet", "uuid", "x") == "[KegNet]\nuuid = x\n"


def test_a_parameter_is_changed_and_everything_else_stays() -> None:
    text = (
        "[Meter]\n# a comment\n[Pin 17]\r\n# pulsesPerLitre = 1\r\npulsesperlitre : 5600\r\nidle = 1000\r\n[Pin 18]\npulsesPerLitre = 7\n"
    )
    assert with_parameter(text, "Pin 17", "pulsesPerLitre", "5512") == text.replace("5600", "5512")
    assert with_parameter(text, "Pin 19", "pulsesPerLitre", "5512") == text


def test_a_new_section_is_at_the_end() -> None:
    assert with_section("[Meter]", "Pin 17", {"reportAs": "0"}) == "[Meter]\n\n[Pin 17]\nreportAs = 0\n"
    assert with_section("[Meter]\r\n", "Pin 17", {}) == "[Meter]\r\n\r\n[Pin 17]\r\n"
