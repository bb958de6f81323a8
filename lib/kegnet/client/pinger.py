"""Thermometer to server: reads the temperature when a ping is due, and sends it."""

from __future__ import annotations

import logging
import time

from ..core.messages import Ping
from ..core.syslog_handler import HourlyLimit, flush
from .deadline import DeadlineExceeded, time_limit
from .outcome import Outcome, Result
from .rest_api import RestApi
from .retry import Attempts, Retry
from .thermometer import NoProbeError, Reading, SensorError, Thermometer, celsius

READ_LIMIT_S = 20.0
"""Over all tries of one reading: a driver may hang."""
SENSOR_AGAIN_S = 60.0
"""How soon a thermometer that gave no reading is read again, at the latest."""
NO_PROBE_AGAIN_S = 10.0
"""The same where there is none on the bus: looking for one does not touch the bus."""
SENSOR_REST_S = 2.0
"""The shortest time between two tries: w1_therm removes an unplugged probe only if, once a second, nobody reads it."""

log = logging.getLogger(__name__)


class Pinger:
    """Sends what `thermometer` reads to `api`, when `retry` says. `ts_per_s` is the unit of the API's timestamps."""

    def __init__(self, thermometer: Thermometer, api: RestApi, retry: Retry, interval_s: int, ts_per_s: int) -> None:
        self._thermometer = thermometer
        self._api = api
        self._retry = retry
        self._interval_s = interval_s
        self._ts_per_s = ts_per_s
        self._no_reading_limit, self._probe_limit, self._rejected_limit = HourlyLimit(), HourlyLimit(), HourlyLimit()
        self._probe = ""
        self.reading: Reading | None = None
        self.sensor_problem = ""
        self.rejection = ""
        self.accepted_at_s: float | None = None

    def due(self, pour: Attempts | None) -> float:
        """When the next ping is due, in monotonic seconds. `pour` is the pour that is next, if there is one."""
        return self._retry.ping_at(pour)

    def turn(self) -> Result | None:
        """Reads and sends once. What became of the ping, if there was a reading."""
        # Reading may take its time, and a line in the log must not wait for it.
        flush()
        try:
            with time_limit(READ_LIMIT_S):
                reading = self._thermometer.read()
        except DeadlineExceeded:
            self._record_no_reading("the thermometer does not answer in time; fix: check its cable", SENSOR_AGAIN_S)
        except NoProbeError as error:
            self._record_no_reading(str(error), NO_PROBE_AGAIN_S)
        except SensorError as error:
            self._record_no_reading(str(error), SENSOR_AGAIN_S)
        else:
            self._record_reading(reading)
            return self._send(reading)
        return None

    def _send(self, reading: Reading) -> Result:
        sent_at = time.monotonic()
        result = self._api.post(Ping(reading.millicelsius, time.time_ns() * self._ts_per_s // 10**9))
        now = time.monotonic()
        self._retry.record_ping(result, now, sent_at)
        if result.outcome is Outcome.ACCEPTED:
            self._rejected_limit.end()
            self.accepted_at_s, self.rejection = time.time(), ""
            log.info("ping accepted: %s", celsius(reading.millicelsius))
        elif result.outcome is Outcome.INVALID:
            self.rejection = result.reason
            # By its status alone: the text that follows may differ each time.
            if self._rejected_limit.allows(result.reason[:3], now):
                log.error("ping rejected by the server (%s); check uuid and serviceBaseURL", result.reason)
        return result

    def _record_reading(self, reading: Reading) -> None:
        if self._no_reading_limit.end():
            log.info("thermometer found: %s reads %s", reading.probe, celsius(reading.millicelsius))
        if self._probe not in ("", reading.probe) and self._probe_limit.allows(reading.probe, time.monotonic()):
            log.warning("another thermometer is read now: %s instead of %s; the parameter sensor selects one", reading.probe, self._probe)
        self.reading, self.sensor_problem, self._probe = reading, "", reading.probe

    def _record_no_reading(self, problem: str, again_s: float) -> None:
        now = time.monotonic()
        self._retry.record_no_reading(now + max(SENSOR_REST_S, min(self._interval_s, again_s)))
        self.reading, self.sensor_problem = None, problem
        if self._no_reading_limit.allows(problem, now):
            log.warning("no temperature, so no ping: %s", problem)
