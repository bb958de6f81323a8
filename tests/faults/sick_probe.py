"""A probe's `w1_slave` behind which a program of ours sits, as the kernel's driver sits behind the real one.

FUSE, spoken without a library: the file system is one file, so a handful of requests are all that the kernel asks (fuse(4),
and the structures of linux/fuse.h).
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import subprocess
import threading
from typing import Callable

import pytest
from support.keg import PROBE, Keg

GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, INTERRUPT = 3, 14, 15, 18, 25, 26, 36
_HEAD = struct.Struct("<IIQQIIII")
_REPLY = struct.Struct("<IiQ")
_DIRECT_IO = 1

Answer = Callable[[threading.Event], str]
"""What one read answers, or an OSError. It may take its time; where the event is set, the reader has been called away."""


class SickProbe:
    """Mounted over the `w1_slave` that the client `keg` sees. Each read asks `answer`, in a thread of its own."""

    def __init__(self, keg: Keg, answer: Answer, interruptible: bool = True) -> None:
        self.answer = answer
        self.reads = 0
        self._interruptible = interruptible
        self._reading: dict[int, threading.Event] = {}
        self._keg = keg
        self._file = keg.devices / PROBE / "w1_slave"
        if not os.path.exists("/dev/fuse"):
            pytest.skip("there is no FUSE here")
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=100444,user_id=0,group_id=0,allow_other"
        enter = ["nsenter", "--target", str(keg.pid), "--mount"]
        subprocess.run([*enter, "mount", "-i", "-t", "fuse", "-o", options, "sick", self._file], check=True, pass_fds=[self._device])
        threading.Thread(target=self._serve, daemon=True).start()

    def heal(self) -> None:
        """Takes it away: what lies under it is there again."""
        self._keg.run_in_namespace("umount", "--lazy", self._file)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                request = os.read(self._device, 1 << 17)
                _, opcode, unique, *_ = _HEAD.unpack_from(request)
                self._handle(opcode, unique, request[_HEAD.size :])
        os.close(self._device)

    def _handle(self, opcode: int, unique: int, body: bytes) -> None:
        if opcode == INIT:
            # Protocol 7.31, no flags, and the sizes that the kernel takes where none are named.
            self._reply(unique, struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0))
        elif opcode == GETATTR:
            self._reply(
                unique, struct.pack("<QII", 0, 0, 0) + struct.pack("<QQQQQQIIIIIIIIII", 1, 4096, 8, *[0] * 6, 0o100444, 1, *[0] * 5)
            )
        elif opcode == OPEN:
            self._reply(unique, struct.pack("<QII", 0, _DIRECT_IO, 0))
        elif opcode == READ:
            self._reading[unique] = threading.Event()
            threading.Thread(target=self._read, args=(unique,), daemon=True).start()
        elif opcode == INTERRUPT:
            (whose,) = struct.unpack_from("<Q", body)
            if self._interruptible and whose in self._reading:
                self._reading[whose].set()
        elif opcode in (RELEASE, FLUSH):
            self._reply(unique)
        else:
            self._reply(unique, error=errno.ENOSYS)

    def _read(self, unique: int) -> None:
        self.reads += 1
        called_away = self._reading[unique]
        text, error = "", 0
        try:
            text = self.answer(called_away)
        except OSError as failure:
            error = failure.errno or errno.EIO
        del self._reading[unique]
        with contextlib.suppress(OSError):
            self._reply(unique, text.encode(), errno.EINTR if called_away.is_set() else error)

    def _reply(self, unique: int, data: bytes = b"", error: int = 0) -> None:
        os.write(self._device, _REPLY.pack(_REPLY.size + (0 if error else len(data)), -error, unique) + (b"" if error else data))
