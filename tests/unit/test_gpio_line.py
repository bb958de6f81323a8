"""Reading edges without a chip: a pipe gives the same records. And finding a line on a computer without a chip."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kegnet.meter.gpio import Edge, GpioError, Line, LineSettings, Place, adopt_line, find_line
from kegnet.meter.gpio_uapi import ChipInfo, LineFlag, LineInfo

PLACE = Place(Path("/dev/null"), ChipInfo("gpiochip0", "pinctrl-bcm2835", 54), LineInfo(17, "GPIO17", "", LineFlag(0)))
A_QUEUE = 1024


class PipedLine:
    """A line whose edges a test writes."""

    def __init__(self) -> None:
        read_end, self._write_end = os.pipe()
        self.line = Line(read_end)

    def write(self, records: bytes) -> None:
        assert os.write(self._write_end, records) == len(records)

    def end(self) -> None:
        os.close(self._write_end)
        self._write_end = -1

    def close(self) -> None:
        self.line.close()
        if self._write_end >= 0:
            os.close(self._write_end)


@pytest.fixture
def piped() -> Iterator[PipedLine]:
    made = PipedLine()
    yield made
    made.close()


def record(edge: Edge) -> bytes:
    """A falling edge of line 17, as the kernel writes it."""
    return struct.pack("=QIIII24x", edge.timestamp_ns, 2, 17, edge.line_seqno, edge.line_seqno)


def pulses(number: int, hertz: float, first: int = 1) -> list[Edge]:
    """Edges at a constant rate."""
    return [Edge(round(index * 1e9 / hertz), first + index) for index in range(number)]


def test_no_edge_is_an_empty_answer_at_once(piped: PipedLine) -> None:
    assert piped.line.read_edges() == []


@pytest.mark.parametrize("hertz", [0.1, 1, 300, 10_000, 1e9])
def test_edges_at_any_rate_are_read_as_they_were_written(piped: PipedLine, hertz: float) -> None:
    edges = pulses(500, hertz)
    piped.write(b"".join(map(record, edges)))
    assert piped.line.read_edges() == edges
    assert piped.line.read_edges() == []


def test_a_gap_in_the_numbers_is_handed_on(piped: PipedLine) -> None:
    edges = [*pulses(3, 300), *pulses(3, 300, first=611)]
    piped.write(b"".join(map(record, edges)))
    assert [edge.line_seqno for edge in piped.line.read_edges()] == [1, 2, 3, 611, 612, 613]


def test_one_call_reads_a_whole_queue_and_no_more(piped: PipedLine) -> None:
    edges = pulses(A_QUEUE + 5, 300)
    piped.write(b"".join(map(record, edges)))
    assert piped.line.read_edges() == edges[:A_QUEUE]
    assert piped.line.read_edges() == edges[A_QUEUE:]


@given(st.lists(st.integers(min_value=1, max_value=200), min_size=1, max_size=60))
def test_records_in_pieces_of_any_size_are_put_together(sizes: list[int]) -> None:
    total = sum(sizes)
    edges = pulses(total // 48, 300)
    stream = b"".join(map(record, edges)) + bytes(total % 48)
    piped, received, start = PipedLine(), [], 0
    for size in sizes:
        piped.write(stream[start : start + size])
        received += piped.line.read_edges()
        start += size
        assert received == edges[: start // 48]
    piped.close()


def test_a_closed_pipe_is_an_error_and_not_silence(piped: PipedLine) -> None:
    piped.write(record(Edge(5, 1)))
    piped.end()
    assert piped.line.read_edges() == [Edge(5, 1)]
    with pytest.raises(GpioError, match="no longer counts"):
        piped.line.read_edges()


def test_a_pipe_cannot_be_configured(piped: PipedLine) -> None:
    with pytest.raises(GpioError, match="cannot be configured"):
        piped.line.configure(LineSettings())


@pytest.mark.parametrize("path", ["/dev/null", __file__, "/"])
def test_a_descriptor_that_is_no_line_is_not_adopted_and_stays_open(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    with pytest.raises(GpioError) as caught:
        adopt_line(descriptor, PLACE, LineSettings())
    os.close(descriptor)
    assert "is not a request for a GPIO line" in caught.value.problem
    assert "request the line again" in caught.value.fix


def test_a_computer_without_a_chip_is_an_error_with_a_fix(tmp_path: Path) -> None:
    with pytest.raises(GpioError) as caught:
        find_line(17, tmp_path)
    assert caught.value.problem == f"no GPIO chip in {tmp_path}"
    assert "Linux 5.10" in caught.value.fix
    assert str(caught.value) == f"{caught.value.problem}; fix: {caught.value.fix}"


def test_a_file_with_the_name_of_a_chip_is_no_chip(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").write_bytes(b"")
    with pytest.raises(GpioError, match="is not a GPIO chip"):
        find_line(17, tmp_path)


def test_a_chip_that_has_just_been_removed_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as device_that_cannot_be_opened:
        device_that_cannot_be_opened.bind(str(tmp_path / "gpiochip0"))
    with pytest.raises(GpioError, match="cannot be opened"):
        find_line(17, tmp_path)


def test_a_symbolic_link_to_a_chip_is_not_a_second_chip(tmp_path: Path) -> None:
    (tmp_path / "gpiochip4").symlink_to("gpiochip0")
    with pytest.raises(GpioError, match="no GPIO chip in"):
        find_line(17, tmp_path)
