"""One result of --check."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ....core.ini import ConfigError
from ....core.syslog_handler import escape


class Level(enum.StrEnum):
    """The severity of a finding: a failure prevents pings or pours."""

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
