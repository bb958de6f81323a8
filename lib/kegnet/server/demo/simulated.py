"""The simulated parts of the demo: a fridge with a thermometer, flow meters, and guests who pour."""

from __future__ import annotations

import contextlib
import os
import random
import select
import struct
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

PROBE = "28-0000054c9f11"
PULSES_PER_LITRE = 5600
TICK_S = 0.1
"""Interval at which the pulses of a running pour are written."""
EVENT = struct.Struct("=QIIII24x")
"""struct gpio_v2_line_event of `include/uapi/linux/gpio.h`: timestamp_ns, id, offset, seqno, line_seqno."""
FALLING_EDGE = 2
"""GPIO_V2_LINE_EVENT_FALLING_EDGE."""
EVENTS_AT_ONCE = select.PIPE_BUF // EVENT.size
"""A pipe takes this many events in one piece, see pipe(7)."""


def w1_slave(millicelsius: int) -> str:
    """What `w1_therm` prints for a DS18B20 at 12 bit: the scratchpad, its CRC, the temperature."""
    raw = round(millicelsius * 16 / 1000)
    scratchpad = (raw & 0xFFFF).to_bytes(2, "little") + bytes.fromhex("4b467fff0c10")
    crc = crc8(scratchpad)
    text = (scratchpad + bytes([crc])).hex(" ")
    return f"{text} : crc={crc:02x} YES\n{text} t={raw * 1000 // 16}\n"


def crc8(data: bytes) -> int:
    """The CRC of the 1-Wire bus: x^8 + x^5 + x^4 + 1, reflected (Maxim application note 27)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


class Fridge:
    """A thermometer tree below `devices` whose temperature goes up and down as a fridge's does."""

    def __init__(self, devices: Path) -> None:
        self._file = devices / PROBE / "w1_slave"
        self._file.parent.mkdir(parents=True)
        self._millicelsius = 4200.0
        self._cooling = False
        self._due = time.monotonic()
        self.maybe_drift()

    def maybe_drift(self) -> None:
        """Each second: warmer with the compressor off, colder with it on."""
        if time.monotonic() < self._due:
            return
        self._due += 1
        self._cooling = self._millicelsius > 5000 or (self._cooling and self._millicelsius > 2800)
        self._millicelsius += random.uniform(-150, -50) if self._cooling else random.uniform(0, 100)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(w1_slave(round(self._millicelsius)))
        fresh.rename(self._file)


class FlowMeter:
    """A simulated flow meter: event records in a pipe, as the kernel writes them for a GPIO line. The meter reads `read_end`."""

    def __init__(self, pin: int) -> None:
        self.pin = pin
        self.read_end, self._write_end = os.pipe()
        self._seqno = 0
        self._stamps_ns: deque[int] = deque()

    @property
    def is_turning(self) -> bool:
        """Whether a pour runs."""
        return bool(self._stamps_ns)

    def pour(self, pulses: int, duration_s: float, start_ns: int) -> None:
        """Spreads `pulses` evenly over a pour that begins at `start_ns` of CLOCK_MONOTONIC."""
        self._stamps_ns.extend(start_ns + round(number * duration_s * 1e9 / pulses) for number in range(pulses))

    def turn(self, now_ns: int) -> None:
        """Writes the pulses up to `now_ns`."""
        records = []
        while self._stamps_ns and self._stamps_ns[0] <= now_ns:
            self._seqno += 1
            records.append(EVENT.pack(self._stamps_ns.popleft(), FALLING_EDGE, self.pin, self._seqno, self._seqno))
        for first in range(0, len(records), EVENTS_AT_ONCE):
            os.write(self._write_end, b"".join(records[first : first + EVENTS_AT_ONCE]))


class Guest:
    """Pours a glass now and then, at one of `taps`."""

    def __init__(self, taps: Sequence[FlowMeter]) -> None:
        self._taps = taps
        self._tap = taps[0]
        self._due = time.monotonic() + 3

    def maybe_pour(self) -> float:
        """Goes on with a pour, or begins one. Returns after how many seconds to call this again."""
        now = time.monotonic()
        if now >= self._due and not self._tap.is_turning:
            self._begin(now)
        # A meter that has ended is reported by the loop.
        with contextlib.suppress(BrokenPipeError):
            self._tap.turn(time.monotonic_ns())
        return TICK_S if self._tap.is_turning else 1

    def _begin(self, now: float) -> None:
        self._tap = random.choice(self._taps)
        pulses, duration_s = round(random.uniform(0.3, 0.5) * PULSES_PER_LITRE), random.uniform(6, 8)
        self._due = now + duration_s + random.uniform(2, 10)
        self._tap.pour(pulses, duration_s, time.monotonic_ns())
        print(f"tap    | pin {self._tap.pin}: somebody pours {pulses / PULSES_PER_LITRE:.2f} litres, {pulses} pulses", flush=True)
