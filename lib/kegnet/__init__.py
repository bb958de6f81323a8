"""kegnet-client: sends a kegerator's temperature and pours to the KegNet REST API.

`lib/client.py` puts the parts in this package together and runs them.
"""

__version__ = "0.1.0"

RELEASE_MONTH_S = 1793491200
"""Unix time of 2026-11-01T00:00:00Z, the month of this release. A Raspberry Pi has no clock of its
own: a wall clock before this moment has not been set yet, and nothing may be stamped with it."""
