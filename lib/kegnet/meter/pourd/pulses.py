"""Whether a running pourd counts pulses now. Its counter is only in its memory; a pour is written when it has ended."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ...core.problem import ProblemError

PROC = Path("/proc")
LOOK_S = 0.2
LIMIT_S = 600
_SLOWNESS = 1.25
_MARGIN_S = 1.5
"""pourd counts the delay in sleeps of 50 ms, which take longer on a slow computer. After it, pourd writes the pour."""
_SWITCHES = re.compile(r"^voluntary_ctxt_switches:\t([0-9]+)$", re.MULTILINE)


def wakeups(unit: str, proc: Path = PROC) -> frozenset[tuple[int, int]]:
    """How often each thread of the unit's processes has slept, except the first thread of each; proc_pid_status(5).

    wiringPi calls pourd's counter in a thread, which sleeps until there is a pulse. Without a pulse, this set stays the same.
    """
    return frozenset(found for process in processes(unit, proc) for found in _threads(process))


def wait_until_quiet(unit: str, delay_ms: int, wait: Callable[[], None], limit_s: float = LIMIT_S, proc: Path = PROC) -> None:
    """Waits until no pour is in progress, and the last one is written, or no process runs. Calls `wait` if there is a pour.

    Raises ProblemError if the pulses cannot be seen, or never end.
    """
    now = "run this when nobody pours: sudo /usr/share/kegnet-client/service/take-over-pourd --now"
    quiet_s = delay_ms / 1000 * _SLOWNESS + _MARGIN_S
    start = changed = time.monotonic()
    before = wakeups(unit, proc)
    if not before and not processes(unit, proc):
        return
    if not before:
        raise ProblemError(f"{unit} has no thread that counts, so it does not show whether a pour is in progress", now)
    waiting = False
    while (moment := time.monotonic()) - changed < quiet_s:
        if moment - start > limit_s:
            raise ProblemError(f"{unit} has counted pulses for {limit_s / 60:.0f} minutes", f"look for a leak, or {now}")
        time.sleep(LOOK_S)
        found = wakeups(unit, proc)
        if found != before:
            before, changed = found, time.monotonic()
            if not waiting:
                wait()
            waiting = True


def processes(unit: str, proc: Path = PROC) -> list[Path]:
    """The directories of the unit's processes in /proc."""
    return [process for process in proc.glob("[0-9]*") if unit in _last_parts(process / "cgroup")]


def _last_parts(cgroup: Path) -> list[str]:
    """The last part of each control group of a process; none if it has ended. cgroups(7)."""
    try:
        return [line.rpartition("/")[2] for line in cgroup.read_text().splitlines()]
    except OSError:
        return []


def _threads(process: Path) -> Iterator[tuple[int, int]]:
    for thread in (process / "task").glob("[0-9]*"):
        try:
            match = _SWITCHES.search((thread / "status").read_text())
        except OSError:
            continue
        if match and thread.name != process.name:
            yield int(thread.name), int(match[1])
