"""What arrives at the server, drawn."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from bench.fleet import BEFORE_S, BINS_IN_A_MINUTE, Course
from matplotlib import pyplot

PINGS, MESSAGES, DARK, RED, GREY = "#b5651d", "#e3c49b", "#333333", "#aa0000", "#e6e6e6"


def draw(courses: list[Course], path: Path) -> None:
    """One panel a course: messages per minute over the hour and a half around the return, as multiples of the steady rate of pings."""
    figure, panels = pyplot.subplots(len(courses), 1, figsize=(9, 2.1 * len(courses)), sharex=True, constrained_layout=True)
    for panel, course in zip(panels, courses, strict=True):
        steady = course.scenario.steady_pings
        pings, messages = (_per_minute(counts, steady) for counts in (course.pings, course.messages))
        minutes = [number - BEFORE_S / 60 for number in range(len(pings))]
        panel.fill_between(minutes, messages, step="post", color=MESSAGES, linewidth=0, label="pings and pours")
        panel.fill_between(minutes, pings, step="post", color=PINGS, linewidth=0, label="pings")
        panel.axhline(1, color=DARK, linewidth=1, label="steady rate of pings")
        if course.scenario.limit:
            panel.axhline(course.scenario.limit, color=RED, linewidth=1, linestyle="--", label="limit of pings after the return")
        panel.axvspan(max(minutes[0], -course.scenario.outage_s / 60), 0, color=GREY, linewidth=0, zorder=0, label="outage: attempts fail")
        panel.set_title(course.scenario.name, loc="left", fontsize=10)
        panel.set_ylim(0, max(5, 1.1 * max(messages)))
        panel.set_xlim(minutes[0], minutes[-1])
    panels[0].legend(loc="upper right", fontsize=8, frameon=False, ncol=2)
    panels[-1].set_xlabel("minutes after the server, or the power, came back")
    figure.supylabel(f"messages per minute, as multiples of the steady {courses[0].scenario.steady_pings:,.0f} pings", fontsize=9)
    figure.savefig(path, dpi=80, metadata={"Software": None})
    pyplot.close(figure)


def _per_minute(counts: list[int], steady: float) -> list[float]:
    return [sum(counts[first : first + BINS_IN_A_MINUTE]) / steady for first in range(0, len(counts), BINS_IN_A_MINUTE)]
