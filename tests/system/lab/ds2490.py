#!/usr/bin/env python3
"""A DS2490 USB 1-Wire master with DS18B20 probes, emulated, and plugged into this very kernel through vhci_hcd.

The kernel's own ds2490 and w1_therm drivers do the rest. What the probes do stands in a JSON file that is read again
whenever it changes: {"28-0000075bcd15": {"t": 21.5, "mode": "ok"}}, with the modes ok, absent, crc (a scratchpad that
is misheard), por (the power-on value of 85 degrees), zero (the data line shorted to ground).
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

ATTACH = Path("/sys/devices/platform/vhci_hcd.0/attach")
FULL_SPEED = 2
READ_ROM, MATCH_ROM, SKIP_ROM, SEARCH_ROM, ALARM_SEARCH = 0x33, 0x55, 0xCC, 0xF0, 0xEC
CONVERT, READ_SCRATCHPAD, WRITE_SCRATCHPAD, COPY_SCRATCHPAD, RECALL = 0x44, 0xBE, 0x4E, 0x48, 0xB8
ALTERNATES = ((10, 16), (10, 64), (1, 16), (1, 64))


def crc8(data: bytes) -> int:
    """The CRC of the 1-Wire bus."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc


def bits_to_bytes(bits: list[int]) -> bytes:
    """Bytes from bits, the least significant first."""
    return bytes(sum(bit << place for place, bit in enumerate(bits[start : start + 8])) for start in range(0, len(bits), 8))


class Probe:
    """A DS18B20 on the wire, one time slot after the other."""

    def __init__(self, name: str, bus: Bus) -> None:
        family, serial = name.split("-")
        address = bytes([int(family, 16)]) + int(serial, 16).to_bytes(6, "little")
        self.rom = address + bytes([crc8(address)])
        self.state = "idle"
        self._name = name
        self._bus = bus
        self._settings = [0x4B, 0x46, 0x7F]
        self._eeprom = list(self._settings)
        self._raw = 0x0550
        self._out: list[int] = []
        self._in: list[int] = []
        self._search_bit = self._search_phase = 0

    @property
    def mode(self) -> str:
        """What ails it."""
        return str(self._bus.control.get(self._name, {}).get("mode", "ok"))

    def reset(self) -> None:
        """A reset pulse."""
        self.state, self._out, self._in = "rom", [], []

    def alarm(self) -> bool:
        """Whether the last temperature lies outside of its alarm limits."""
        high, low = struct.unpack("bb", bytes(self._settings[:2]))
        return not low < self._raw >> 4 < high

    def slot(self, bit: int) -> int:
        """One time slot in which the master drives `bit`; what this probe leaves on the wire (1 is released)."""
        if self.mode == "absent" or self.state == "idle":
            return 1
        if self._out:
            return self._out.pop(0)
        if self.state == "search":
            return self._search_slot(bit)
        self._in.append(bit)
        if self.state == "match" and len(self._in) == 64:
            self.state = "function" if bits_to_bytes(self._in) == self.rom else "idle"
            self._in = []
        elif self.state == "write" and len(self._in) == 24:
            self._settings = list(bits_to_bytes(self._in))
            self._settings[2] = self._settings[2] & 0x60 | 0x1F
            self._in, self.state = [], "idle"
        elif self.state in ("rom", "function") and len(self._in) == 8:
            command = bits_to_bytes(self._in)[0]
            self._in = []
            (self._rom_command if self.state == "rom" else self._function_command)(command)
        return 1

    def _search_slot(self, bit: int) -> int:
        mine = self.rom[self._search_bit >> 3] >> (self._search_bit & 7) & 1
        phase, self._search_phase = self._search_phase, (self._search_phase + 1) % 3
        if phase < 2:
            return mine ^ phase
        if bit != mine:
            self.state = "idle"
            return 1
        self._search_bit += 1
        if self._search_bit == 64:
            self.state = "function"
        return 1

    def _rom_command(self, command: int) -> None:
        if command == SKIP_ROM:
            self.state = "function"
        elif command == MATCH_ROM:
            self.state = "match"
        elif command == READ_ROM:
            self._say(self.rom)
            self.state = "function"
        elif command == SEARCH_ROM or (command == ALARM_SEARCH and self.alarm()):
            self.state, self._search_bit, self._search_phase = "search", 0, 0
        else:
            self.state = "idle"

    def _function_command(self, command: int) -> None:
        self.state = "idle"
        if command == CONVERT:
            degrees = float(self._bus.control.get(self._name, {}).get("t", 20.0))
            self._raw = 0x0550 if self.mode == "por" else round(degrees * 16)
            self.state = "function"
        elif command == READ_SCRATCHPAD:
            self.state = "function"
            self._say(self._scratchpad())
        elif command == WRITE_SCRATCHPAD:
            self.state = "write"
        elif command == COPY_SCRATCHPAD:
            self._eeprom = list(self._settings)
        elif command == RECALL:
            self._settings = list(self._eeprom)

    def _scratchpad(self) -> bytes:
        if self.mode == "zero":
            return bytes(9)
        text = struct.pack("<h", self._raw) + bytes([*self._settings, 0xFF, 0x0C, 0x10])
        return text + bytes([crc8(text) ^ (0x5A if self.mode == "crc" else 0)])

    def _say(self, data: bytes) -> None:
        self._out = [byte >> place & 1 for byte in data for place in range(8)]


class Bus:
    """The 1-Wire bus and what hangs on it, as the file `path` says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = (0, 0)
        self.control: dict[str, dict[str, Any]] = {}
        self.probes: dict[str, Probe] = {}

    def reset(self) -> None:
        """A reset pulse for all; the moment at which a change of the file counts."""
        status = self._path.stat()
        if (status.st_mtime_ns, status.st_ino) != self._stamp:
            self._stamp = (status.st_mtime_ns, status.st_ino)
            self.control = json.loads(self._path.read_text())
            self.probes = {name: self.probes.get(name) or Probe(name, self) for name in self.control}
        for probe in self.probes.values():
            probe.reset()

    def bit(self, bit: int) -> int:
        """One time slot."""
        wire = bit
        for probe in self.probes.values():
            wire &= probe.slot(bit)
        return wire

    def byte(self, value: int) -> int:
        """Eight time slots."""
        return sum(self.bit(value >> place & 1) << place for place in range(8))

    def search(self, command: int, limit: int, start: bytes) -> bytes:
        """The addresses that a search finds from `start` on, in the order of the search."""

        def order(rom: bytes) -> list[int]:
            return [rom[place >> 3] >> (place & 7) & 1 for place in range(64)]

        found = [probe.rom for probe in self.probes.values() if probe.mode != "absent" and (command == SEARCH_ROM or probe.alarm())]
        found = sorted((rom for rom in found if not any(start) or order(rom) >= order(start)), key=order)
        for probe in self.probes.values():
            probe.state = "idle"
        # One more than asked for is where the next search goes on.
        return b"".join(found[: (limit or 255) + 1])


class Master:
    """The DS2490: USB on one side, the bus on the other (data sheet, "Communication commands")."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.to_bus = bytearray()
        self.from_bus = bytearray()
        self._mode = bytearray(8)
        self._last_command = self._configuration = self._alternate = 0

    def control(self, request_type: int, request: int, value: int, index: int, length: int) -> bytes:
        """A control transfer; what it answers. Raises OSError for a stall."""
        if request_type & 0x60 == 0x40:
            self._vendor(request, value, index)
            return b""
        if request == 6:
            return self._descriptor(value >> 8)[:length]
        if request == 9:
            self._configuration = value
        elif request == 11:
            self._alternate = value
        elif request in (8, 10):
            return bytes([self._configuration if request == 8 else self._alternate])
        elif request == 0:
            return b"\0\0"[:length]
        elif request not in (1, 3, 5):
            raise OSError(errno.EPIPE, "stall")
        return b""

    def status(self) -> bytes:
        """What its interrupt endpoint says."""
        flags = 0x08 | (0x20 if len(self.from_bus) <= 128 else 0)
        sizes = (min(len(self.to_bus), 128), min(len(self.from_bus), 128), 0, 0)
        return bytes(self._mode) + bytes([flags, self._last_command & 0xFF, self._last_command >> 8, 0, *sizes])

    @staticmethod
    def _descriptor(kind: int) -> bytes:
        if kind == 1:
            return struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0110, 255, 255, 255, 8, 0x04FA, 0x2490, 0x0002, 0, 0, 0, 1)
        if kind != 2:
            raise OSError(errno.EPIPE, "stall")
        body = b""
        for number, (interval, size) in enumerate(ALTERNATES):
            body += struct.pack("<9B", 9, 4, 0, number, 3, 255, 255, 255, 0)
            for address, transfer, packet, every in ((0x81, 3, 32, interval), (0x02, 2, size, 0), (0x83, 2, size, 0)):
                body += struct.pack("<BBBBHB", 7, 5, address, transfer, packet, every)
        return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 1, 1, 0, 0x80, 50) + body

    def _vendor(self, request: int, value: int, index: int) -> None:
        if request == 0:
            if value in (0, 8):
                self.from_bus.clear()
            if value in (0, 9):
                self.to_bus.clear()
        elif request == 2 and value < 8:
            self._mode[value] = index & 0xFF
        elif request == 1:
            self._last_command = value
            self._communicate(value, index)

    def _communicate(self, value: int, index: int) -> None:
        command = value & 0x00F6
        if command == 0x0042:
            self._bus.reset()
        elif command == 0x0012:
            self._mode[2] = index & 0xFF
        elif command == 0x0020:
            self.from_bus.append(self._bus.bit(1 if value & 8 else 0))
        elif command == 0x0052:
            self.from_bus.append(self._bus.byte(index & 0xFF))
        elif command == 0x0074:
            data = bytes(self.to_bus[:index])
            del self.to_bus[:index]
            if value & 0x0100:
                self._bus.reset()
            self.from_bus += bytes(self._bus.byte(byte) for byte in data)
        elif command == 0x00F4:
            start = bytes(self.to_bus[:8])
            del self.to_bus[:8]
            self._bus.reset()
            self.from_bus += self._bus.search(index & 0xFF, index >> 8, start)


class Port:
    """USB/IP between vhci_hcd and the master, over one socket (the kernel's usbip_protocol.rst)."""

    def __init__(self, sock: socket.socket, master: Master) -> None:
        self._socket = sock
        self._master = master
        self._waiting: list[tuple[int, int]] = []

    def serve(self) -> None:
        """Serves until the port is closed; raises EOFError then."""
        while True:
            head = self._receive(48)
            command, sequence, _, direction, endpoint, flags, length = struct.unpack(">5I2i", head[:28])
            if command == 2:
                self._unlink(sequence, flags & 0xFFFFFFFF)
                continue
            data = self._receive(length) if direction == 0 and length else b""
            self._transfer(sequence, endpoint, length, data, head[40:48])
            while self._waiting and self._master.from_bus:
                waiting, wanted = self._waiting.pop(0)
                size = min(wanted, 128)
                chunk = bytes(self._master.from_bus[:size])
                del self._master.from_bus[:size]
                self._answer(waiting, 0, chunk)

    def _transfer(self, sequence: int, endpoint: int, length: int, data: bytes, setup: bytes) -> None:
        if endpoint == 0:
            request = struct.unpack("<BBHHH", setup)
            try:
                answer = self._master.control(*request)
            except OSError as error:
                self._answer(sequence, -(error.errno or errno.EPIPE))
            else:
                self._answer(sequence, 0, answer if request[0] & 0x80 else b"")
        elif endpoint == 1:
            self._answer(sequence, 0, self._master.status()[:length])
        elif endpoint == 2:
            self._master.to_bus += data
            self._answer(sequence, 0, length=len(data))
        else:
            self._waiting.append((sequence, length))

    def _unlink(self, sequence: int, victim: int) -> None:
        known = [waiting for waiting in self._waiting if waiting[0] == victim]
        self._waiting = [waiting for waiting in self._waiting if waiting not in known]
        self._socket.sendall(struct.pack(">5Ii24x", 4, sequence, 0, 0, 0, -errno.ECONNRESET if known else 0))

    def _answer(self, sequence: int, status: int, data: bytes = b"", length: int | None = None) -> None:
        size = len(data) if length is None else length
        self._socket.sendall(struct.pack(">5I5i8x", 3, sequence, 0, 0, 0, status, size, 0, 0, 0) + data)

    def _receive(self, number: int) -> bytes:
        data = b""
        while len(data) < number:
            chunk = self._socket.recv(number - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data


def main() -> None:
    """Plugs the master in and serves it until this process ends, which unplugs it."""
    ours, theirs = socket.socketpair()
    device = 1 << 16 | 2
    with ATTACH.open("w") as attach:
        attach.write(f"0 {theirs.fileno()} {device} {FULL_SPEED}")
    os.close(theirs.detach())
    Port(ours, Master(Bus(Path(sys.argv[1])))).serve()


if __name__ == "__main__":
    main()
