"""The drawing of --watch: two lines of text for each pin, with a bar of the rate now and its last seconds. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

FAST_ML_PER_S = 60
"""A full bar: a tap gives 40 to 60 ml/s."""
FAST_PULSES_PER_S = 300
"""A full bar if the pulses of a litre are unknown."""
_LABEL_COLUMNS = 8
_NUMBER_COLUMNS = 31
"""The longest usual `236.4 pulses/s   42.2 ml/s`, and `2307 pulses   0.412 l   noise 3`."""
_WIDEST_BAR = 40
_NARROWEST_BAR = 8

GREEN, YELLOW, BOLD, PLAIN = "32", "33", "1", ""


@dataclass(frozen=True)
class View:
    """What is shown of one pin. `rates` are those of the last refreshes in pulses a second, the latest last."""

    pin: int
    pulses: int
    noise: int
    rates: tuple[float, ...]
    highest: float
    pulses_per_litre: int | None

    @property
    def rate(self) -> float:
        """Pulses a second, now."""
        return self.rates[-1] if self.rates else 0.0

    @property
    def full(self) -> float:
        """The rate of a full bar: that of a fast tap, or the highest so far if that is more."""
        usual = FAST_PULSES_PER_S if self.pulses_per_litre is None else self.pulses_per_litre * FAST_ML_PER_S / 1000
        return max(usual, self.highest)

    def speed(self) -> str:
        """The rate as text, in millilitres, too, if that is known."""
        millilitres = "" if self.pulses_per_litre is None else f"  {self.rate * 1000 / self.pulses_per_litre:5.1f} ml/s"
        return f"{self.rate:5.1f} pulses/s{millilitres}"

    def amount(self) -> str:
        """The pulses as text, in litres, too, if that is known."""
        litres = "" if self.pulses_per_litre is None else f" = {self.pulses / self.pulses_per_litre:.3f} l"
        return f"{self.pulses} pulses{litres}"

    def line(self) -> str:
        """Everything in one plain line."""
        speed = ", ".join(part.strip() for part in self.speed().split("  ") if part.strip())
        return f"pin {self.pin}: {self.amount()}; {speed}; noise {self.noise}"

    def summary(self) -> str:
        """The line at the end."""
        fastest = f"; at most {self.highest:.1f} pulses/s" if self.highest else ""
        return f"pin {self.pin}: {self.amount()}{fastest}; noise {self.noise}"


@dataclass(frozen=True)
class Style:
    """What the terminal can show."""

    columns: int
    unicode: bool
    colour: bool

    @property
    def bar_columns(self) -> int:
        """The width of the bar; 0 if there is no room for one."""
        room = self.columns - _LABEL_COLUMNS - _NUMBER_COLUMNS - 4
        return min(room, _WIDEST_BAR) if room >= _NARROWEST_BAR else 0

    def draw(self, view: View) -> list[str]:
        """The two lines of a pin. No line is longer than the terminal is wide, so that none wraps."""
        label = f"{f'pin {view.pin}':<{_LABEL_COLUMNS}}"
        width = self.bar_columns
        if not width:
            return [self._join([(label, BOLD), (view.speed().strip(), PLAIN)]), self._second(view, [(" " * _LABEL_COLUMNS, PLAIN)])]
        left, right = ("▕", "▏") if self.unicode else ("|", "|")
        fraction = min(view.rate / view.full, 1.0)
        first = [(label, BOLD), (left, PLAIN), (self._bar(fraction, width), GREEN), (f"{right}  {view.speed()}", PLAIN)]
        history = self._history(view, width)
        return [self._join(first), self._second(view, [(" " * (_LABEL_COLUMNS + 1), PLAIN), (history, GREEN), ("   ", PLAIN)])]

    def _second(self, view: View, head: list[tuple[str, str]]) -> str:
        noise = f"  noise {view.noise}"
        return self._join([*head, (view.amount(), PLAIN), (noise, YELLOW if view.noise else PLAIN)])

    def _bar(self, fraction: float, width: int) -> str:
        if not self.unicode:
            return f"{'#' * round(fraction * width):<{width}}"
        eighths = round(fraction * width * 8)
        part = " ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else ""
        return f"{'█' * (eighths // 8) + part:<{width}}"

    def _history(self, view: View, width: int) -> str:
        steps = " ▁▂▃▄▅▆▇█" if self.unicode else " .:-=+*%#"
        levels = (min(rate / view.full, 1.0) * (len(steps) - 1) for rate in view.rates[-width:])
        # What turns at all is not blank.
        return f"{''.join(steps[max(round(level), 1 if level else 0)] for level in levels):>{width}}"

    def _join(self, parts: list[tuple[str, str]]) -> str:
        """The parts with their colours, cut to the width. The last column stays empty: some terminals wrap when it is written."""
        room = self.columns - 1
        line = ""
        for text, code in parts:
            shown = text[:room]
            room -= len(shown)
            line += f"\033[{code}m{shown}\033[0m" if code and self.colour and shown.strip() else shown
        return line.rstrip()
