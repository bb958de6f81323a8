"""The pours that are set aside as `.pour.fail`: what they contain, and why they were set aside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.messages import LINE_LIMIT_BYTES, Pour, PourError
from ...core.syslog_handler import escape_name
from ..spool import files
from .arguments import PROGRAM

LOGS = (Path("/var/log/user.log"), Path("/var/log/user.log.1"))
"""The logs with the reasons, the latest first."""
_LOG_TAIL_BYTES = 4 * 2**20
"""Limit for reading the end of each log: a log may be large, and the machine small."""
_REASON = re.compile(rf"{PROGRAM}\[\d+\]: .+? is set aside as (.+?(?:\.pour\.fail|\.\.\.)): (.*)")
"""The log line of spool/removals.py. A long name is cut and ends in three dots."""
_ADVICE = re.compile("; (--requeue sends it again|renamed back, it is sent again)$")
"""The advice after a reason in the log, now and in earlier releases."""


@dataclass(frozen=True)
class QuarantinedPour:
    """A file that is set aside: its `name`, the pour in it, and the reason. `pour` is None if it is not a pour or cannot be read."""

    name: str
    pour: Pour | None
    reason: str

    def __str__(self) -> str:
        content = f"pin {self.pour.pin}, {self.pour.pulses} pulses, et {self.pour.et}, ts {self.pour.ts}; " if self.pour else ""
        return f"{escape_name(self.name)}: {content}{self.reason}"


def find(directory: int, logs: Sequence[Path] = LOGS) -> list[QuarantinedPour]:
    """All set-aside pours in the spool with the descriptor `directory`, by name. Ignores all but regular files. Raises OSError."""
    with os.scandir(directory) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name.endswith(files.SUFFIX + files.FAIL_SUFFIX) and entry.is_file(follow_symlinks=False)
        )
    reasons = _reasons(logs) if names else {}
    return [_examine(directory, name, reasons) for name in names]


def _examine(directory: int, name: str, reasons: dict[str, str]) -> QuarantinedPour:
    try:
        pour = Pour.parse(files.read(directory, name, LINE_LIMIT_BYTES + 1).head)
    except (PourError, files.NotAFileError) as error:
        return QuarantinedPour(name, None, str(error))
    except OSError as error:
        return QuarantinedPour(name, None, f"it cannot be read ({error.strerror})")
    return QuarantinedPour(name, pour, reasons.get(escape_name(name), "the log no longer contains the reason"))


def _reasons(logs: Sequence[Path]) -> dict[str, str]:
    """The latest reason in the logs for each `.fail` name, with the name as it is in the log."""
    found: dict[str, str] = {}
    for log in reversed(logs):
        found.update(_reasons_in(log))
    return found


def _reasons_in(log: Path) -> Iterator[tuple[str, str]]:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            for line in file:
                match = _REASON.search(line.decode("utf-8", "replace"))
                if match:
                    yield match[1], _ADVICE.sub("", match[2])
    except OSError:
        # There is no log, or it cannot be read: list the pours without reasons.
        return
