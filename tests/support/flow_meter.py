"""A flow-meter daemon's files in a folder, its lines as pipes, and the real daemon."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from .daemon import Daemon
from .keg import REPOSITORY
from .syslog_socket import DatagramSocket
from .wait import wait_for

METER = REPOSITORY / "lib" / "meter.py"
ACTIVATE = REPOSITORY / "lib/kegnet/server/activate.py"
SUPPORT = Path(__file__).parent
PIPE_BYTES = 2**20
RECORD = struct.Struct("=QIIII24x")
MS, S = 10**6, 10**9


class Wheel:
    """The wheel of one flow meter: writes event records into the pipe that the daemon reads. `made` counts its pulses."""

    def __init__(self, pin: int) -> None:
        self.pin = pin
        self.made = 0
        self.seqno = 0
        self._last_ns = 0
        self.read_end, self.write_end = os.pipe()
        # If the daemon has died, a write fails instead of waiting for ever.
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self.write_end, False)

    def records(self, count: int, last_ns: int | None = None, interval_ns: int = 3 * MS) -> bytes:
        """`count` edges, the last one at `last_ns`, or now; later if the edges before leave no time for them."""
        last_ns = time.monotonic_ns() if last_ns is None else last_ns
        self._last_ns = last_ns = max(last_ns, self._last_ns + count * interval_ns)
        self.made += count
        content = b""
        for number in range(count):
            self.seqno += 1
            content += RECORD.pack(last_ns - (count - 1 - number) * interval_ns, 2, self.pin, self.seqno % 2**32, self.seqno % 2**32)
        return content

    def turn(self, count: int, last_ns: int | None = None, interval_ns: int = 3 * MS) -> None:
        """Edges that end at `last_ns`, or now, in one piece."""
        self.write(self.records(count, last_ns, interval_ns))

    def write(self, records: bytes) -> None:
        """The daemon finds all of these edges in one reading."""
        assert os.write(self.write_end, records) == len(records)

    def lose(self, count: int) -> None:
        """Edges that the kernel counts and does not report, because its queue is full."""
        self.made += count
        self.seqno += count

    def spin(self, for_s: float, hertz: float = 300.0) -> None:
        """Edges at their times."""
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            self.turn(1)
            time.sleep(1 / hertz)

    def end(self) -> None:
        """The chip is removed: there will be no more edges."""
        os.close(self.write_end)
        self.write_end = -1

    def close(self) -> None:
        """Closes what is open."""
        os.close(self.read_end)
        if self.write_end >= 0:
            os.close(self.write_end)


class FlowMeter(Daemon):
    """What the daemon needs, in `folder`. `start()` starts it. `uptime_s` is added to its monotonic clock."""

    def __init__(self, folder: Path, *pins: int) -> None:
        super().__init__(folder)
        self.spool = folder / "spool"
        self.runtime = folder / "run"
        self.config = folder / "conf" / "meter.conf"
        for directory in (self.spool, self.runtime, self.config.parent):
            directory.mkdir(parents=True)
        self.wheels = {pin: Wheel(pin) for pin in pins}
        self.uptime_s = 0
        self.notifications = DatagramSocket(folder / "notify")
        self.write_config()

    def write_config(self, meter: str = "idle = 300", pins: Mapping[int, str] | None = None) -> None:
        """Writes meter.conf with these lines, in [Meter] and in the section of each pin."""
        pins = dict.fromkeys(self.wheels, "") if pins is None else pins
        sections = [f"[Pin {pin}]\n{lines}\n" for pin, lines in pins.items()]
        self.config.write_text(f"[Meter]\n{meter}\n" + "".join(sections))

    def start(self, *altered: str, until: str | None = "started: ", env: Mapping[str, str] | None = None) -> None:
        """Starts the daemon, see `altered_meter` for `altered`, and waits until it has logged `until`."""
        before = len(self.syslog.datagrams)
        passed = [f"edges-{pin}={wheel.read_end}" for pin, wheel in self.wheels.items()]
        program = [SUPPORT / "altered_meter.py", *altered, "--"] if altered else [METER]
        # In a time namespace, see time_namespaces(7), the clock has run for so long, also just after a boot.
        clock = ["unshare", "--time", f"--monotonic={self.uptime_s}", "--fork", "--kill-child"] if self.uptime_s else []
        command = [*clock, self.python, ACTIVATE, *passed, "--", self.python, "-B", *program, "--config", self.config]
        places = {"NOTIFY_SOCKET": str(self.folder / "notify"), "RUNTIME_DIRECTORY": str(self.runtime)}
        descriptors = [wheel.read_end for wheel in self.wheels.values()]
        self.launch_program(command, self.folder / "none", {**places, **(env or {})}, descriptors)
        if until:
            self.wait_for_log(until, before)

    def names(self, ending: str) -> list[str]:
        """The names in the spool with this ending."""
        return sorted(name for name in os.listdir(self.spool) if name.endswith(ending))

    def pours(self) -> list[tuple[int, int, int, int]]:
        """What the `.pour` files contain, in the order of their names: pin, pulses, et, ts."""
        lines = [(self.spool / name).read_text() for name in self.names(".pour")]
        return [tuple(map(int, line.split(","))) for line in lines]  # type: ignore[misc]

    def sent(self) -> int:
        """The pulses in all `.pour` files."""
        return sum(pulses for _, pulses, _, _ in self.pours())

    def made(self) -> int:
        """The pulses of all wheels."""
        return sum(wheel.made for wheel in self.wheels.values())

    def wait_for_all(self, limit_s: float = 30.0) -> None:
        """Waits until the `.pour` files have every pulse, and nothing is left to do; fails if they have more."""
        wait_for(lambda: self.sent() >= self.made() and not self.names(".running"), limit_s)
        assert self.sent() == self.made()

    def end_pours(self, shown: str, meter: str = "idle = 300", pins: Mapping[int, str] | None = None) -> None:
        """Ends the pours that run, once the status shows `shown`: a reload shortens the idle time. A long one gives a test its time."""
        self.wait_for_status(shown)
        self.write_config(meter, pins)
        self.signal(signal.SIGHUP)

    @property
    def status(self) -> str:
        """The last status that the daemon reported."""
        lines = (text for text in reversed(self.notifications.datagrams) if text.startswith("STATUS="))
        return next(lines, "").removeprefix("STATUS=")

    def wait_for_status(self, text: str, limit_s: float = 30.0) -> str:
        """Waits until the status contains `text`."""
        wait_for(lambda: text in self.status, limit_s)
        return self.status

    def close(self) -> None:
        """Kills the daemon, and closes everything."""
        super().close()
        self.notifications.close()
        for wheel in self.wheels.values():
            wheel.close()
