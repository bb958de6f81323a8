"""Pure values: times, days, levels, alarms, calibration, units. No I/O, no clock."""
