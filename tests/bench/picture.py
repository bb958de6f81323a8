"""What arrives at the server, drawn."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from bench.fleet import BIN_S, CALM_S, Course
from matplotlib import pyplot


def draw(courses: list[Course], path: Path) -> None:
    """One panel a course: arrivals a second over the minutes before and after the return."""
    figure, panels = pyplot.subplots(len(courses), 1, figsize=(9, 7), sharex=True, constrained_layout=True)
    for panel, course in zip(panels, courses):
        minutes = [(number * BIN_S - CALM_S) / 60 for number in range(len(course.rates))]
        panel.fill_between(minutes, course.rates, step="post", color="#b5651d", alpha=0.6, label="requests a second")
        panel.axhline(course.steady, color="#333333", linewidth=1, label="steady")
        if course.limit:
            panel.axhline(course.limit, color="#aa0000", linewidth=1, linestyle="--", label="limit after the return")
        panel.axvline(0, color="#333333", linewidth=0.5)
        panel.set_title(course.name, loc="left", fontsize=10)
        panel.legend(loc="upper right", fontsize=8, frameon=False)
        panel.set_ylim(bottom=0)
    panels[-1].set_xlabel("minutes after the server, or the current, came back")
    figure.savefig(path, dpi=80, metadata={"Software": None})
