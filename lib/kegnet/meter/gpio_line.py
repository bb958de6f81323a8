"""One requested GPIO line: reads its edges, as the kernel queued them. `gpio` requests it."""

from __future__ import annotations

import errno
import fcntl
import os

from kegnet.core.problem import ProblemError
from kegnet.meter import gpio_uapi
from kegnet.meter.gpio_uapi import Edge, LineSettings

_QUEUE_BYTES = gpio_uapi.EVENT_BUFFER_SIZE_MAX * gpio_uapi.LINE_EVENT.size


class GpioError(ProblemError):
    """A line cannot be used. `problem` is the reason, `fix` is what to do."""


class Line:
    """A requested line; `descriptor` is readable, see poll(2), while edges wait.

    Any descriptor that gives event records will do: a pipe, for instance, in which records may arrive in pieces.
    """

    def __init__(self, descriptor: int) -> None:
        """From now on the descriptor belongs to this line."""
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._partial_record = b""

    def read_edges(self) -> list[Edge]:
        """The edges since the last call, oldest first, at most 1024; none if none wait. Never blocks.

        Raises GpioError if there will be no more: the chip was removed, or the pipe was closed.
        """
        try:
            received = os.read(self.descriptor, _QUEUE_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            raise failed("the line no longer counts", error) from error
        if not received:
            raise GpioError("the line no longer counts (end of file)", "start the meter again")
        records = self._partial_record + received
        whole = len(records) - len(records) % gpio_uapi.LINE_EVENT.size
        self._partial_record = records[whole:]
        return list(gpio_uapi.unpack_edges(records[:whole]))

    def configure(self, settings: LineSettings) -> None:
        """Changes edge and bias. Queued edges and the numbering stay. Raises GpioError."""
        try:
            fcntl.ioctl(self.descriptor, gpio_uapi.LINE_SET_CONFIG, gpio_uapi.pack_line_config(settings))
        except OSError as error:
            raise failed("the line cannot be configured", error) from error

    def close(self) -> None:
        """Releases the line, unless somebody else has the descriptor too (`FDSTORE=1` of sd_notify(3))."""
        os.close(self.descriptor)


def failed(problem: str, error: OSError) -> GpioError:
    """The error for what the kernel refused."""
    if error.errno == errno.ENODEV:
        return GpioError(f"{problem}: the GPIO chip was removed", "connect it, or restart the computer")
    return GpioError(f"{problem} ({error.strerror})", "see the kernel's messages: journalctl --dmesg")
