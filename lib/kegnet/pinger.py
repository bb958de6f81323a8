"""Thermometer to server: reads the temperature when it is time to, and sends it."""

from __future__ import annotations

import logging
import time

from .api import Api, Outcome, Verdict
from .deadline import DeadlineExceeded, within
from .logs import Hourly, flush
from .messages import Ping
from .schedule import Schedule
from .thermometer import Reading, SensorError, Thermometer, celsius

READ_DEADLINE_S = 20.0
"""Over all tries of one reading, for a driver that hangs."""
SENSOR_AGAIN_S = 60.0
"""How soon a thermometer that gave no reading is tried again, at the latest."""
SENSOR_REST_S = 2.0
"""How long it is left in peace after that, at least: the kernel's w1_therm lets go of an unplugged probe only when it
finds, looking once a second, that nobody reads it."""

log = logging.getLogger(__name__)


class Pinger:
    """Pings `api` every `interval_s` seconds with what `thermometer` reads."""

    def __init__(self, thermometer: Thermometer, api: Api, interval_s: int, api_v1: bool) -> None:
        self._thermometer = thermometer
        self._api = api
        self._interval_s = interval_s
        self._ts_unit_ns = 10**9 if api_v1 else 10**6
        self._schedule = Schedule(interval_s)
        self._trouble_said, self._probe_said, self._refusal_said = Hourly(), Hourly(), Hourly()
        self._probe = ""
        self.reading: Reading | None = None
        self.sensor_trouble = ""
        self.refusal = ""
        self.accepted_at_s: float | None = None

    def due(self, _now: float) -> float:
        """When the next ping is due, in monotonic seconds."""
        self._schedule.leave_until(self._api.ready_at)
        return max(self._schedule.due, self._api.ready_at)

    def turn(self, _now: float) -> None:
        """Reads and sends once. The thermometer may take its time."""
        flush()
        try:
            reading = within(READ_DEADLINE_S, self._thermometer.read)
        except DeadlineExceeded:
            self._no_reading("the thermometer does not answer in time; check its cable", time.monotonic())
        except SensorError as error:
            self._no_reading(str(error), time.monotonic())
        else:
            self._found(reading)
            ts = time.time_ns() // self._ts_unit_ns
            self._decide(reading, self._api.send(Ping(reading.millicelsius, ts)), time.monotonic())

    def _decide(self, reading: Reading, outcome: Outcome, now: float) -> None:
        if outcome.verdict is Verdict.UNAVAILABLE:
            return
        self._schedule.done(now)
        if outcome.verdict is Verdict.ACCEPTED:
            self._refusal_said.forget()
            self.accepted_at_s, self.refusal = time.time(), ""
            log.info("ping accepted: %s", celsius(reading.millicelsius))
        else:
            self.refusal = outcome.reason
            # By its status alone: what follows it may be new each time.
            if self._refusal_said.allows(outcome.reason[:3], now):
                log.error("ping refused by the server (%s); check uuid, and that the server knows this client's public key", outcome.reason)

    def _found(self, reading: Reading) -> None:
        if self._trouble_said.forget():
            log.info("thermometer found: %s reads %s", reading.probe, celsius(reading.millicelsius))
        if self._probe not in ("", reading.probe) and self._probe_said.allows(reading.probe, time.monotonic()):
            mend = "the parameter sensor pins one"
            log.warning("another thermometer is read now: %s instead of %s; %s", reading.probe, self._probe, mend)
        self.reading, self.sensor_trouble, self._probe = reading, "", reading.probe

    def _no_reading(self, trouble: str, now: float) -> None:
        self._schedule.put_off(now + max(SENSOR_REST_S, min(self._interval_s, SENSOR_AGAIN_S)))
        self.reading, self.sensor_trouble = None, trouble
        if self._trouble_said.allows(trouble, now):
            log.warning("no temperature, so no ping: %s", trouble)
