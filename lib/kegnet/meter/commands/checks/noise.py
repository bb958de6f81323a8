"""--check: edges on the lines while nobody pours."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from ....core.finding import Finding, Level
from ...config import MeterConfig, PinConfig
from ...gpio_line import GpioError
from ..source import REFRESH_S, Count, Source, StateSource, open_source

WATCHED_S = 2.0
"""How long the lines are watched."""
STRAY_PULSES = 10
"""More pulses than this are a wheel that turns."""
NOISY_PERCENT = 1
"""So much of what the service has counted is noise that the cable is bad."""
_FIX = "use a shielded cable away from mains, a pull-up resistor of 4.7 kOhm to 3.3 V, and a capacitor of 0.1 µF from signal to ground"


def check_noise(conf: MeterConfig, usable: Sequence[PinConfig]) -> Iterator[Finding]:
    """Watches the lines of the pins that are `usable`, all at once."""
    sources: dict[int, Source] = {}
    try:
        for pin in usable:
            try:
                sources[pin.pin] = open_source(pin)
            except GpioError as error:
                yield Finding(f"pin {pin.pin}", Level.FAILURE, error.problem, error.fix)
        counts = _watch(sources)
        yield from (_judge(pin, sources[pin.pin], counts[pin.pin]) for pin in conf.pins if pin.pin in counts)
    finally:
        for source in sources.values():
            source.close()


def _watch(sources: dict[int, Source]) -> dict[int, Count]:
    """What each source counts within `WATCHED_S`; nothing of one that fails."""
    counts: dict[int, Count] = {}
    end = time.monotonic() + (WATCHED_S if sources else 0)
    while True:
        for pin, source in sources.items():
            try:
                counts[pin] = source.read()
            except GpioError:
                counts.pop(pin, None)
        if time.monotonic() >= end:
            return counts
        time.sleep(REFRESH_S)


def _judge(pin: PinConfig, source: Source, count: Count) -> Finding:
    what = "noise"
    seen = f"pin {pin.pin}: {count.pulses + count.noise} edges in {WATCHED_S:g} s"
    if count.pulses > STRAY_PULSES:
        return Finding(what, Level.WARNING, f"{seen}; somebody pours, or it is noise", "run this again while nobody pours")
    if count.noise:
        text = f"{seen}, {count.noise} of them closer than {pin.debounce_us} microseconds to the one before"
        return Finding(what, Level.WARNING, text, _FIX)
    if count.pulses:
        return Finding(what, Level.WARNING, f"{seen}: a few, as if from noise; or the tap drips", f"close the tap; if it stays, {_FIX}")
    state = source.before if isinstance(source, StateSource) else None
    if state is not None and state.noise * 100 > (state.noise + state.pulses) * NOISY_PERCENT:
        text = f"pin {pin.pin}: {state.noise} of {state.noise + state.pulses} edges were noise since the service has the line"
        return Finding(what, Level.WARNING, text, _FIX)
    return Finding(what, Level.OK, f"pin {pin.pin}: no edges in {WATCHED_S:g} s")
