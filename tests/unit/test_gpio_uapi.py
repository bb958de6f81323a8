"""The kernel's GPIO structures, byte by byte, as `include/uapi/linux/gpio.h` has them."""

from __future__ import annotations

import struct

import pytest
from kegnet.meter import gpio_uapi
from kegnet.meter.gpio import Bias, ChipInfo, Edge, EdgeDirection, LineInfo, LineSettings
from kegnet.meter.gpio_uapi import LineFlag

SIZES = {
    "CHIP_INFO": 68,
    "LINE_ATTRIBUTE": 16,
    "LINE_CONFIG_ATTRIBUTE": 24,
    "LINE_CONFIG": 272,
    "LINE_REQUEST": 592,
    "LINE_INFO": 256,
    "LINE_VALUES": 16,
    "LINE_EVENT": 48,
}
"""What sizeof() gives in C."""

NUMBERS = {
    "GET_CHIPINFO": 0x8044B401,
    "GET_LINEINFO": 0xC100B405,
    "GET_LINE": 0xC250B407,
    "LINE_SET_CONFIG": 0xC110B40D,
    "LINE_GET_VALUES": 0xC010B40E,
}
"""What the header's macros give in C."""


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_a_structure_has_the_size_of_the_headers(name: str, size: int) -> None:
    assert struct.calcsize(getattr(gpio_uapi, name).format) == size


@pytest.mark.parametrize(("name", "number"), NUMBERS.items())
def test_an_ioctl_has_the_number_of_the_headers(name: str, number: int) -> None:
    assert getattr(gpio_uapi, name) == number


def test_a_request_has_its_values_at_the_offsets_of_the_header_and_zeros_elsewhere() -> None:
    request = gpio_uapi.pack_line_request(17, LineSettings(), "kegnet-meter")
    expected = bytearray(592)
    struct.pack_into("=I", expected, 0, 17)
    struct.pack_into("=12s", expected, 256, b"kegnet-meter")
    struct.pack_into("=Q", expected, 288, 1 << 2 | 1 << 5 | 1 << 8)
    struct.pack_into("=II", expected, 560, 1, 1024)
    assert request == expected


def test_the_descriptor_is_the_last_field_of_the_request() -> None:
    request = bytearray(592)
    struct.pack_into("=i", request, 588, 7)
    assert gpio_uapi.unpack_line_descriptor(request) == 7


@pytest.mark.parametrize(
    ("edge", "edge_flag"), [(EdgeDirection.FALLING, LineFlag.EDGE_FALLING), (EdgeDirection.RISING, LineFlag.EDGE_RISING)]
)
@pytest.mark.parametrize(
    ("bias", "bias_flag"),
    [(Bias.PULL_UP, LineFlag.BIAS_PULL_UP), (Bias.PULL_DOWN, LineFlag.BIAS_PULL_DOWN), (Bias.NONE, LineFlag.BIAS_DISABLED)],
)
def test_edge_and_bias_are_one_flag_each(edge: EdgeDirection, edge_flag: LineFlag, bias: Bias, bias_flag: LineFlag) -> None:
    assert LineSettings(edge, bias).flags == LineFlag.INPUT | edge_flag | bias_flag


def test_the_names_of_the_configuration_are_edges_and_biases() -> None:
    assert LineSettings(EdgeDirection("falling"), Bias("pull-up")) == LineSettings()
    assert LineSettings(EdgeDirection("rising"), Bias("none")).flags == 1 << 2 | 1 << 4 | 1 << 10


def test_a_chip_is_read_from_its_answer() -> None:
    answer = struct.pack("=32s32sI", b"gpiochip4", b"pinctrl-rp1", 54)
    assert gpio_uapi.unpack_chip_info(answer) == ChipInfo("gpiochip4", "pinctrl-rp1", 54)


def test_a_line_is_read_from_its_answer() -> None:
    answer = bytearray(256)
    struct.pack_into("=32s32sIIQ", answer, 0, b"GPIO17", b"pourd\0rest", 17, 0, 1 << 0 | 1 << 2 | 1 << 40)
    info = gpio_uapi.unpack_line_info(answer)
    assert (info.offset, info.name, info.consumer) == (17, "GPIO17", "pourd")
    assert LineFlag.USED in info.flags
    assert LineFlag.EDGE_RISING not in info.flags


def test_the_question_for_a_line_contains_its_offset() -> None:
    assert gpio_uapi.unpack_line_info(gpio_uapi.pack_line_info(27)) == LineInfo(27, "", "", LineFlag(0))


def test_an_edge_is_its_stamp_and_the_number_on_its_line() -> None:
    record = struct.pack("=QIIII24x", 2**63 + 5, 2, 17, 99, 2**32 - 1)
    assert list(gpio_uapi.unpack_edges(record)) == [Edge(2**63 + 5, 2**32 - 1)]
