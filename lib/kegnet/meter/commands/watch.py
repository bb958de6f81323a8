"""--watch: shows the pulses and the rate of each pin live, until Ctrl-C."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections import deque
from collections.abc import Sequence

from ...core.command_line import complain
from ...core.signals import Signals
from ..config import MeterConfig, PinConfig
from ..gpio_line import GpioError
from .arguments import PROGRAM
from .gauge import Style, View
from .rate import Rate
from .source import REFRESH_S, Source, open_source

_REMEMBERED = 200
"""Refreshes whose rates are remembered; more than the widest drawing shows."""
_LINE_EVERY_S = 1.0
"""The shortest interval between two lines about a pin that is not drawn."""


class Watched:
    """A pin and what was seen of it."""

    def __init__(self, pin: PinConfig, source: Source) -> None:
        self._pin = pin
        self.source = source
        self._rate = Rate()
        self._rates: deque[float] = deque(maxlen=_REMEMBERED)
        self.moves = False
        self.view = View(pin.pin, 0, 0, (), 0.0, pin.pulses_per_litre)

    def refresh(self) -> View:
        """Reads the source. Raises GpioError."""
        count = self.source.read()
        rate = self._rate.update(time.monotonic_ns(), count.pulses, count.flow)
        self.moves = count.flow is not None
        if self.moves or self.view.rate or not self._rates:
            self._rates.append(rate)
        rates, highest = tuple(self._rates), self._rate.highest
        self.view = View(self._pin.pin, count.pulses, count.noise, rates, highest, self._pin.pulses_per_litre)
        return self.view


def watch(conf: MeterConfig) -> int:
    """Shows the pins of the configuration until Ctrl-C or SIGTERM, then a summary. Returns the exit status.

    A line that cannot be used is one line on stderr. Raises GpioError if a line fails later.
    """
    watched = _open(conf.pins)
    if not watched:
        return 1
    # A signal must not interrupt a drawing: then it could not be removed.
    signals = Signals()
    display = Drawing() if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" else Lines()
    try:
        display.start(_explanation(watched))
        while not signals.read():
            display.show([one.refresh() for one in watched])
            _sleep(watched, signals)
    finally:
        display.end()
        for one in watched:
            one.source.close()
    for one in watched:
        print(one.view.summary())
    return os.EX_OK


def _open(pins: Sequence[PinConfig]) -> list[Watched]:
    watched = []
    for pin in pins:
        try:
            watched.append(Watched(pin, open_source(pin)))
        except GpioError as error:
            complain(PROGRAM, f"pin {pin.pin}: {error}")
    return watched


def _explanation(watched: Sequence[Watched]) -> str:
    if any(one.source.by_service for one in watched):
        return "The service counts, and this shows what it counts. Ctrl-C ends it."
    return "The service does not run: these pulses are shown and not sent. Ctrl-C ends it."


def _sleep(watched: Sequence[Watched], signals: Signals) -> None:
    """Sleeps until there is something new: a refresh later while a wheel turns, else until an edge or a change of a state file.

    A signal ends it. Raises BrokenPipeError if nobody reads the output any more.
    """
    moves = any(one.moves for one in watched)
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    poll.register(signals.fileno(), select.POLLIN)
    for one in watched:
        if one.source.descriptor is not None and not moves:
            poll.register(one.source.descriptor, select.POLLIN)
    by_service = any(one.source.by_service for one in watched)
    ready = poll.poll(REFRESH_S * 1000 if moves or by_service else None)
    if any(descriptor == sys.stdout.fileno() for descriptor, _ in ready):
        raise BrokenPipeError


class Drawing:
    """A drawing in the terminal that changes in place."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def start(self, explanation: str) -> None:
        """Prints the explanation, and hides the cursor."""
        print(f"{explanation}\n\033[?25l", end="", flush=True)

    def show(self, views: Sequence[View]) -> None:
        """Draws the pins over the drawing before, if anything has changed."""
        size = shutil.get_terminal_size()
        encoding = (sys.stdout.encoding or "").lower()
        style = Style(size.columns, encoding.startswith("utf"), not os.environ.get("NO_COLOR"))
        lines = [line for view in views for line in style.draw(view)]
        if len(lines) >= size.lines:
            # A drawing that scrolls cannot be drawn over.
            lines = [view.line()[: size.columns - 1] for view in views][: size.lines - 1]
        if lines != self._drawn:
            up = f"\033[{len(self._drawn)}A" if self._drawn else ""
            print(f"{up}\r\033[J" + "".join(f"{line}\n" for line in lines), end="", flush=True)
            self._drawn = lines

    def end(self) -> None:
        """Removes the drawing, and shows the cursor again."""
        up = f"\033[{len(self._drawn)}A" if self._drawn else ""
        print(f"\r{up}\033[J\033[?25h", end="", flush=True)


class Lines:
    """A plain line for each change, at most one a second for each pin: for a pipe or a file."""

    def __init__(self) -> None:
        self._shown: dict[int, tuple[float, str]] = {}

    def start(self, explanation: str) -> None:
        """Prints the explanation."""
        print(explanation, flush=True)

    def show(self, views: Sequence[View]) -> None:
        """Prints the pins that have changed."""
        now = time.monotonic()
        for view in views:
            at, before = self._shown.get(view.pin, (-_LINE_EVERY_S, ""))
            line = view.line()
            if line != before and (now - at >= _LINE_EVERY_S or view.rate == 0):
                print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)
                self._shown[view.pin] = (now, line)

    def end(self) -> None:
        """There is nothing to restore."""
