"""The kernel's interface to GPIO lines, version 2, as values: requests as bytes, and answers as dataclasses. No I/O.

Sizes, offsets, flags and numbers are those of `include/uapi/linux/gpio.h` (Linux 5.10 and later; `Documentation/userspace-api/gpio`).
The header pads every structure to 64 bits itself, so they are the same on 32-bit and 64-bit machines.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAX_NAME_SIZE = 32
"""GPIO_MAX_NAME_SIZE: the size of a name, a label or a consumer, with its terminating zero."""
LINES_MAX = 64
"""GPIO_V2_LINES_MAX: the number of offsets in a request."""
LINE_NUM_ATTRS_MAX = 10
"""GPIO_V2_LINE_NUM_ATTRS_MAX: the number of attributes in a configuration."""
EVENT_BUFFER_SIZE_MAX = 16 * LINES_MAX
"""The number of events to which `drivers/gpio/gpiolib-cdev.c` limits the queue of a request."""

CHIP_INFO = struct.Struct(f"={MAX_NAME_SIZE}s{MAX_NAME_SIZE}sI")
"""struct gpiochip_info: name, label, lines."""
LINE_ATTRIBUTE = struct.Struct("=I4xQ")
"""struct gpio_v2_line_attribute: id, flags or values or debounce period."""
LINE_CONFIG_ATTRIBUTE = struct.Struct(f"={LINE_ATTRIBUTE.size}sQ")
"""struct gpio_v2_line_config_attribute: attribute, mask of lines."""
LINE_CONFIG = struct.Struct(f"=QI20x{LINE_NUM_ATTRS_MAX * LINE_CONFIG_ATTRIBUTE.size}x")
"""struct gpio_v2_line_config: flags, num_attrs; its attributes stay zero here."""
LINE_REQUEST = struct.Struct(f"=I{4 * (LINES_MAX - 1)}x{MAX_NAME_SIZE}s{LINE_CONFIG.size}sII20xi")
"""struct gpio_v2_line_request: the first of `offsets`, consumer, config, num_lines, event_buffer_size, fd."""
LINE_INFO = struct.Struct(f"={MAX_NAME_SIZE}s{MAX_NAME_SIZE}sIIQ{LINE_NUM_ATTRS_MAX * LINE_ATTRIBUTE.size}x16x")
"""struct gpio_v2_line_info: name, consumer, offset, num_attrs, flags."""
LINE_VALUES = struct.Struct("=QQ")
"""struct gpio_v2_line_values: bits, mask."""
LINE_EVENT = struct.Struct("=Q4x4x4xI24x")
"""struct gpio_v2_line_event: timestamp_ns, line_seqno; without id, offset and seqno, which a request of one line does not need."""

_READ, _WRITE, _TYPE = 2, 1, 0xB4


def _ioctl_number(direction: int, number: int, argument: struct.Struct) -> int:
    """_IOC() of `include/uapi/asm-generic/ioctl.h`, which arm, arm64, riscv and x86 use."""
    return direction << 30 | argument.size << 16 | _TYPE << 8 | number


GET_CHIPINFO = _ioctl_number(_READ, 0x01, CHIP_INFO)
GET_LINEINFO = _ioctl_number(_READ | _WRITE, 0x05, LINE_INFO)
GET_LINE = _ioctl_number(_READ | _WRITE, 0x07, LINE_REQUEST)
LINE_SET_CONFIG = _ioctl_number(_READ | _WRITE, 0x0D, LINE_CONFIG)
LINE_GET_VALUES = _ioctl_number(_READ | _WRITE, 0x0E, LINE_VALUES)


class LineFlag(enum.IntFlag):
    """enum gpio_v2_line_flag, as far as the meter uses it."""

    USED = 1 << 0
    INPUT = 1 << 2
    EDGE_RISING = 1 << 4
    EDGE_FALLING = 1 << 5
    BIAS_PULL_UP = 1 << 8
    BIAS_PULL_DOWN = 1 << 9
    BIAS_DISABLED = 1 << 10


class EdgeDirection(enum.StrEnum):
    """Which edge of a pulse counts."""

    FALLING = "falling"
    RISING = "rising"


class Bias(enum.StrEnum):
    """The resistor inside the chip that holds an open line; NONE turns it off."""

    PULL_UP = "pull-up"
    PULL_DOWN = "pull-down"
    NONE = "none"


_EDGE_FLAGS = {EdgeDirection.FALLING: LineFlag.EDGE_FALLING, EdgeDirection.RISING: LineFlag.EDGE_RISING}
_BIAS_FLAGS = {Bias.PULL_UP: LineFlag.BIAS_PULL_UP, Bias.PULL_DOWN: LineFlag.BIAS_PULL_DOWN, Bias.NONE: LineFlag.BIAS_DISABLED}


@dataclass(frozen=True)
class LineSettings:
    """How the kernel treats a line. The kernel's debounce is never used: in software it loses pulses above 50 Hz."""

    edge: EdgeDirection = EdgeDirection.FALLING
    bias: Bias = Bias.PULL_UP

    @property
    def flags(self) -> LineFlag:
        """The flags of the request."""
        return LineFlag.INPUT | _EDGE_FLAGS[self.edge] | _BIAS_FLAGS[self.bias]


@dataclass(frozen=True)
class ChipInfo:
    """A chip: the kernel's name for it (`gpiochip0`), the label of its driver, and its number of lines."""

    name: str
    label: str
    lines: int


@dataclass(frozen=True)
class LineInfo:
    """A line: its offset in the chip, its name (`GPIO17`), who uses it, and its flags."""

    offset: int
    name: str
    consumer: str
    flags: LineFlag


@dataclass(frozen=True, slots=True)
class Edge:
    """One counted edge: when, by CLOCK_MONOTONIC, and its number since the request, modulo 2**32, from 1.

    The kernel drops the oldest event of a full queue, but numbers it all the same: a step of more than one between
    two edges is the number of edges that happened.
    """

    timestamp_ns: int
    line_seqno: int


def unpack_chip_info(answer: bytes | bytearray) -> ChipInfo:
    """The answer to GET_CHIPINFO."""
    name, label, lines = CHIP_INFO.unpack(answer)
    return ChipInfo(_text(name), _text(label), lines)


def pack_line_info(offset: int) -> bytearray:
    """The question of GET_LINEINFO, with room for its answer."""
    return bytearray(LINE_INFO.pack(b"", b"", offset, 0, 0))


def unpack_line_info(answer: bytes | bytearray) -> LineInfo:
    """The answer to GET_LINEINFO."""
    name, consumer, offset, _, flags = LINE_INFO.unpack(answer)
    return LineInfo(offset, _text(name), _text(consumer), LineFlag(flags))


def pack_line_config(settings: LineSettings) -> bytearray:
    """The argument of LINE_SET_CONFIG."""
    return bytearray(LINE_CONFIG.pack(settings.flags, 0))


def pack_line_request(offset: int, settings: LineSettings, consumer: str) -> bytearray:
    """The question of GET_LINE for one line with the longest queue, with room for the descriptor."""
    config = bytes(pack_line_config(settings))
    return bytearray(LINE_REQUEST.pack(offset, consumer.encode(), config, 1, EVENT_BUFFER_SIZE_MAX, 0))


def unpack_line_descriptor(answer: bytes | bytearray) -> int:
    """The descriptor in the answer to GET_LINE."""
    return int(LINE_REQUEST.unpack(answer)[-1])


def unpack_edges(records: bytes | bytearray) -> Iterator[Edge]:
    """The edges in whole event records."""
    return (Edge(timestamp_ns, line_seqno) for timestamp_ns, line_seqno in LINE_EVENT.iter_unpack(records))


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
