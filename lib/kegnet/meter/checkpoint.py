"""What a `.running` file contains: a pour with monotonic times, and what makes Unix times of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core.messages import Pour
from .flow import Flow

LIMIT_BYTES = 300
"""The longest checkpoint."""

_NUMBER = rb"([0-9]{1,20})"
_LINE = re.compile(b",".join([rb"(pouring|finished)", rb"([0-9a-f-]{1,64})", *[_NUMBER] * 6, rb"([0-9]{0,20})\n"]))


class CheckpointError(ValueError):
    """The content of a `.running` file is neither a checkpoint nor a pour."""


@dataclass(frozen=True)
class Clock:
    """A wall clock that is believed: the Unix time at which the monotonic clock of this boot was 0.

    `boot_id` is the content of `/proc/sys/kernel/random/boot_id`: each boot has another monotonic clock.
    """

    boot_id: str
    boot_unix_ms: int

    def unix_ms(self, monotonic_ns: int) -> int:
        """The Unix time at a monotonic time of this boot."""
        return self.boot_unix_ms + monotonic_ns // 10**6


@dataclass(frozen=True)
class Checkpoint:
    """A pour that runs, or one that has ended and is not a `.pour` yet.

    `pin` is the flow meter's number on the server. `seqno` is the line's last sequence number. `ts` is the Unix time of the
    start in milliseconds, or None if the clock was not set.
    """

    pin: int
    flow: Flow
    seqno: int
    boot_id: str
    ts: int | None
    has_ended: bool = False

    @classmethod
    def parse(cls, content: bytes) -> Checkpoint:
        """The checkpoint that `line()` wrote. Raises CheckpointError."""
        match = _LINE.fullmatch(content)
        if match is None:
            raise CheckpointError("the content is not a checkpoint of a pour")
        state, boot_id, *numbers, ts = match.groups()
        pin, seqno, *flow = map(int, numbers)
        return cls(pin, Flow(*flow), seqno, boot_id.decode("ascii"), int(ts) if ts else None, state == b"finished")

    def line(self) -> bytes:
        """The content of the `.running` file."""
        return f"{self.text}\n".encode("ascii")

    @property
    def text(self) -> str:
        """The line: `state,boot,pin,seqno,start_ns,end_ns,pulses,lost,ts`."""
        flow = self.flow
        state = "finished" if self.has_ended else "pouring"
        numbers = f"{self.pin},{self.seqno},{flow.start_ns},{flow.end_ns},{flow.pulses},{flow.lost}"
        return f"{state},{self.boot_id},{numbers},{'' if self.ts is None else self.ts}"

    def pour(self, clock: Clock | None) -> Pour | None:
        """The pour, with its Unix time computed back if it was not known; None as long as there is no clock for that.

        The times of an earlier boot are lost: such a pour counts as one that ended when this boot began, which is its latest.
        """
        et = (self.flow.end_ns - self.flow.start_ns) // 10**6
        if self.ts is not None:
            ts = self.ts
        elif clock is None:
            return None
        elif self.boot_id == clock.boot_id:
            ts = clock.unix_ms(self.flow.start_ns)
        else:
            ts = clock.boot_unix_ms - et
        return Pour(self.pin, self.flow.pulses, et, max(0, ts))

    @property
    def stem(self) -> str:
        """The beginning of the file's name: the pin, then the start in milliseconds, monotonic if the clock was not set."""
        return f"{self.pin}{self.flow.start_ns // 10**6 if self.ts is None else self.ts}"
