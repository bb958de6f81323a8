"""The state of a pin in `$RUNTIME_DIRECTORY/pin-<pin>`: what was counted so far, for a restart of the daemon and for other programs.

The first line is the state itself; then there is a line for each change of the spool that is still to be made. Fields are
separated by blanks, and `-` is a field without a value. The file is replaced by a rename, so it is never incomplete. It is in
memory: no reboot leaves it, and it needs no fsync.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from .checkpoint import Checkpoint, CheckpointError
from .flow import Cause, Ended, Flow, Kind

NONE = "-"


class StateError(ValueError):
    """The content of a file is not the state of a pin."""


@dataclass(frozen=True)
class Unwritten:
    """A change of the spool that is still to be made.

    `checkpoint` is the pour that the file `name` becomes, or None if the file is removed. `name` is empty before the pour has one.
    """

    name: str
    checkpoint: Checkpoint | None


@dataclass(frozen=True)
class PinState:
    """What a pin has counted, at one moment. Times are in nanoseconds of CLOCK_MONOTONIC of the boot `boot_id`.

    `pulses` and `noise` count from the request of the line, and never go back while it is held. `flow` is the one that
    runs, of the kind `kind`; `last` is the one that ended last. The others are for a restart: `pour_end_ns` is the end of
    the last pour that can be topped up, `ts` is the Unix time of the start of `flow` in milliseconds, and `file` is the
    name of its `.running` file. `report_as` is the flow meter's number on the server, and `spool` is the directory of the
    files: the configuration can have changed until then.
    """

    pin: int
    boot_id: str
    seqno: int
    pulses: int
    noise: int
    kind: Kind
    flow: Flow | None
    last: Ended | None
    pour_end_ns: int | None = None
    ts: int | None = None
    file: str = ""
    unwritten: tuple[Unwritten, ...] = ()
    report_as: int = 0
    spool: str = ""

    def line(self) -> bytes:
        """The content of the file."""
        last = NONE if self.last is None else f"{self.last.kind.name},{self.last.cause.name},{_flow_text(self.last.flow)}"
        fields = [
            *(str(number) for number in (self.pin, self.boot_id, self.seqno, self.pulses, self.noise)),
            self.kind.name, _flow_text(self.flow), last, _text(self.pour_end_ns), _text(self.ts), self.file or NONE,
            str(self.report_as), quote(self.spool) or NONE,
        ]  # fmt: skip
        lines = [" ".join(fields)]
        for entry in self.unwritten:
            content = NONE if entry.checkpoint is None else entry.checkpoint.text
            lines.append(f"{entry.name or NONE} {content}")
        return ("\n".join(lines) + "\n").encode("ascii")

    @classmethod
    def parse(cls, content: bytes) -> PinState:
        """The state that `line()` wrote. Raises StateError."""
        try:
            first, *others = content.decode("ascii").removesuffix("\n").split("\n")
            pin, boot_id, seqno, pulses, noise, kind, flow, last, pour_end_ns, ts, file, report_as, spool = first.split(" ")
            return cls(
                int(pin), boot_id, int(seqno), int(pulses), int(noise), Kind[kind], _flow(flow), _ended(last),
                _number(pour_end_ns), _number(ts), "" if file == NONE else file, tuple(_unwritten(line) for line in others),
                int(report_as), "" if spool == NONE else unquote(spool),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError, CheckpointError) as error:
            raise StateError("the content is not the state of a pin") from error


def path(directory: Path, pin: int) -> Path:
    """The file of a pin."""
    return directory / f"pin-{pin}"


def read(directory: Path, pin: int) -> PinState | None:
    """The state of `pin`; None if there is no file. Raises StateError, and OSError if the file cannot be read."""
    try:
        return PinState.parse(path(directory, pin).read_bytes())
    except FileNotFoundError:
        return None


def write(directory: Path, state: PinState) -> None:
    """Replaces the file of the pin. Raises OSError: then the file is as it was."""
    file = path(directory, state.pin)
    temporary = f"{file}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        content = state.line()
        if os.write(descriptor, content) != len(content):
            # write(2) writes a part where the file system is full after it.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
    os.rename(temporary, file)


def remove(directory: Path, pin: int) -> None:
    """Removes the file of the pin, if there is one: nothing is known of the line any more."""
    with contextlib.suppress(OSError):
        os.unlink(path(directory, pin))


def _text(number: int | None) -> str:
    return NONE if number is None else str(number)


def _number(text: str) -> int | None:
    return None if text == NONE else int(text)


def _flow_text(flow: Flow | None) -> str:
    return NONE if flow is None else f"{flow.start_ns},{flow.end_ns},{flow.pulses},{flow.lost}"


def _flow(text: str) -> Flow | None:
    return None if text == NONE else Flow(*map(int, text.split(",")))


def _ended(text: str) -> Ended | None:
    if text == NONE:
        return None
    kind, cause, flow = text.split(",", 2)
    return Ended(Kind[kind], Cause[cause], Flow(*map(int, flow.split(","))))


def _unwritten(line: str) -> Unwritten:
    name, content = line.split(" ")
    checkpoint = None if content == NONE else Checkpoint.parse(content.encode("ascii") + b"\n")
    return Unwritten("" if name == NONE else name, checkpoint)
