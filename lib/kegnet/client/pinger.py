"""Reads the temperature when a ping is due, and sends it."""

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
"""Limit for all tries of one reading, because a driver can hang."""
SENSOR_AGAIN_S = 60.0
"""Longest delay before the thermometer is read again after a failed reading."""
NO_PROBE_AGAIN_S = 10.0
"""The same if the bus has no thermometer. The search does not use the bus."""
SENSOR_REST_S = 2.0
"""Shortest pause between readings. Once a second w1_therm looks for unplugged probes, but not while one is being read."""

log = logging.getLogger(__name__)


class Pinger:
    """Sends the readings of `thermometer` to `api` at the times that `retry` determines. `ts_per_s`: units per second of the timestamps."""

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
        """When the next ping is due, in monotonic seconds. `pour`: the history of the next pour, if there is one."""
        return self._retry.ping_at(pour)

    def turn(self) -> Result | None:
        """Reads and sends once. Returns the result, or None if there was no reading."""
        # A reading can take 20 s; buffered log lines must not wait for it.
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
            # Compare only the status: the text after it can differ each time.
            if self._rejected_limit.allows(result.reason[:3], now):
                log.error("ping rejected as invalid (%s); fix: check uuid and serviceBaseURL", result.reason)
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
