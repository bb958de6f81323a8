"""Times as text, in the time zone of the installation. No value of a row raises here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from ..model.choices import Choices
from ..model.days import LATEST_MS, find_zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name; UTC where this system does not know it."""
    return find_zone(name) or UTC


def local(at_ms: int, zone: tzinfo) -> datetime:
    """Unix milliseconds as a time with zone."""
    return (_EPOCH + timedelta(milliseconds=min(max(at_ms, 0), LATEST_MS))).astimezone(zone)


def iso(at_ms: int, zone: tzinfo) -> str:
    """For `<time datetime>` and CSV, for example `2026-11-30T01:24:05+01:00`."""
    return local(at_ms, zone).isoformat(timespec="seconds")


AS_THE_BROWSER = Choices()


@dataclass(frozen=True)
class Clock:
    """Times as text, by the household's clock and the reader's choices."""

    zone: tzinfo
    choices: Choices = AS_THE_BROWSER

    def iso(self, at_ms: int) -> str:
        """For `<time datetime>`."""
        return iso(at_ms, self.zone)

    def full(self, at_ms: int) -> str:
        """For example `Mon 30 Nov 2026, 01:24 CET`."""
        moment = self._local(at_ms)
        return f"{moment:%a} {self.moment(at_ms)} {moment:%Z}"

    def date(self, at_ms: int) -> str:
        """For example `30 Nov 2026`."""
        return self._local(at_ms).strftime("%Y-%m-%d" if self.choices.dates == "iso" else "%-d %b %Y")

    def weekday(self, at_ms: int) -> str:
        """For example `Monday, 30 Nov`."""
        return self._local(at_ms).strftime("%A, %Y-%m-%d" if self.choices.dates == "iso" else "%A, %-d %b")

    def time(self, at_ms: int) -> str:
        """For example `01:24`, or `1:24 AM`."""
        return self._local(at_ms).strftime("%-I:%M %p" if self.choices.clock == "12" else "%H:%M")

    def moment(self, at_ms: int) -> str:
        """For example `30 Nov 2026, 01:24`."""
        return f"{self.date(at_ms)}, {self.time(at_ms)}"

    def _local(self, at_ms: int) -> datetime:
        return local(at_ms, self.zone)
