"""--requeue: what was set aside, why it was, and back into the line with it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import pourfile
from .config import Config
from .logs import IDENT, shown
from .messages import LINE_LIMIT_BYTES, Pour, PourError
from .pourfile import FAIL_SUFFIX, SUFFIX, NotAFileError

LOGS = (Path("/var/log/user.log"), Path("/var/log/user.log.1"))
"""Where the reasons stand, the latest first."""
_LOG_TAIL_BYTES = 4 * 2**20
"""How much of the end of each is looked at: it may be large, and the machine small."""
_REASON = re.compile(rf"{IDENT}\[\d+\]: (.+?) is set aside as .+?: (.*)")


@dataclass(frozen=True)
class SetAside:
    """A file that was set aside: its `name`, what it holds, and why, both in words. `pour` None is no pour, or cannot be read."""

    name: str
    pour: Pour | None
    reason: str

    def __str__(self) -> str:
        held = f"pin {self.pour.pin}, {self.pour.pulses} pulses in {self.pour.et}, at {self.pour.ts}; " if self.pour else ""
        return f"{shown(self.name)}: {held}{self.reason}"


def find(spool: Path, logs: Sequence[Path] = LOGS) -> list[SetAside]:
    """All that is set aside in `spool`, by name. Raises OSError."""
    names = sorted(name for name in os.listdir(spool) if name.endswith(SUFFIX + FAIL_SUFFIX))
    reasons = _reasons(logs) if names else {}
    return [_examine(spool, name, reasons) for name in names]


def _examine(spool: Path, name: str, reasons: dict[str, str]) -> SetAside:
    try:
        pour = Pour.parse(pourfile.read(spool, name, LINE_LIMIT_BYTES + 1).head)
    except (PourError, NotAFileError) as error:
        return SetAside(name, None, str(error))
    except OSError as error:
        return SetAside(name, None, f"it cannot be read ({error.strerror})")
    original = shown(name.removesuffix(FAIL_SUFFIX))
    return SetAside(name, pour, reasons.get(original, "the log no longer says why"))


def _reasons(logs: Sequence[Path]) -> dict[str, str]:
    """The latest reason that the log gives for each name."""
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
                    yield match[1], match[2].split("; renamed back")[0]
    except OSError:
        # Whoever may not read the log, or has none, is told the rest.
        return


def requeue(config: Config, files: Sequence[str]) -> int:
    """Says what is set aside in the spool, and has it, or only the `files` named, wait again; the exit status."""
    try:
        there = {aside.name: aside for aside in find(config.spool)}
    except OSError as error:
        return _complain(f"{config.spool}: cannot be read ({error.strerror}); run this as root, or name another configuration")
    if not there and not files:
        print(f"no pours are set aside in {config.spool}")
        return os.EX_OK
    unknown = [file for file in files if _name(config.spool, file) not in there]
    for file in unknown:
        _complain(f"{shown(file)}: is not set aside in {config.spool}; name a file there that ends in {SUFFIX}{FAIL_SUFFIX}")
    named = {_name(config.spool, file) for file in files}
    chosen = [aside for aside in there.values() if not files or aside.name in named]
    for aside in chosen:
        print(aside)
    done = [_put_back(config.spool, aside) for aside in chosen]
    return os.EX_OK if all(done) and not unknown else 1


def _name(spool: Path, file: str) -> str:
    """The name in the spool that `file` means: itself, or the last part of a path that leads there."""
    folder, name = os.path.split(file)
    return name if not folder or os.path.realpath(folder) == os.path.realpath(spool) else ""


def _put_back(spool: Path, aside: SetAside) -> bool:
    try:
        # Only a file can be a pour; what else bears such a name is somebody's own.
        pourfile.read(spool, aside.name, 1)
        name = pourfile.put_back(spool, aside.name)
    except NotAFileError as error:
        _complain(f"{shown(aside.name)}: is left where it is: {error}")
        return False
    except OSError as error:
        mend = "run this as root" if os.geteuid() else "rename it by hand, to a name that ends in .pour, where the disk allows it"
        _complain(f"{shown(aside.name)}: is left where it is ({error.strerror}); {mend}")
        return False
    when = ""
    try:
        pourfile.announce(spool, name)
    except OSError:
        # The client looks at the spool even where nothing tells it to.
        when = " within ten minutes"
    again = "it is sent again" if aside.pour else "it is no pour as it is, and will be set aside again"
    print(f"{shown(name)} waits: {again}{when}")
    return True


def _complain(line: str) -> int:
    print(f"{IDENT}: {line}", file=sys.stderr)
    return 1
