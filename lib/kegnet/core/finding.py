"""The results of --check, and how they are printed."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from .ini import ConfigError
from .syslog_handler import escape


class Level(enum.StrEnum):
    """The severity of a finding: a failure prevents what the program is for."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """What was examined, the severity, a description, and the fix unless it is ok."""

    what: str
    level: Level
    text: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f"; fix: {self.fix}" if self.fix else ""
        return f"{self.level.value:<9}{escape(f'{self.what}: {self.text}{fix}')}"


def of_config_error(error: ConfigError) -> Finding:
    """The failure that `error` describes."""
    return Finding("configuration", Level.FAILURE, error.problem, error.fix)


def report(findings: Iterable[Finding], as_json: bool) -> int:
    """Prints the findings, each as soon as it is known, or all as one JSON object. Returns the exit status: 1 if there is a failure."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            print(finding, flush=True)
    ok = all(finding.level is not Level.FAILURE for finding in found)
    if as_json:
        print(json.dumps({"ok": ok, "findings": [dataclasses.asdict(finding) for finding in found]}, indent=2))
    return os.EX_OK if ok else 1
