"""How the memory that a process may use is divided, so that no number of connections exceeds it.

The limit is `MemoryMax=` of the unit, which the kernel shows as `memory.max` (cgroups(7), version 2). Without one, it is half of the memory
of the computer.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

OWN_BYTES = 80 * 1024 * 1024
"""What a process uses without connections."""
HELD_BYTES = 16 * 1024 * 1024
"""Upper bound on what clients have sent and the server cannot use yet, over all connections of a process."""
CONNECTION_BYTES = 92 * 1024
"""Upper bound on what else one connection uses: that of a reader of the event stream over TLS whose request has a head of 16 KB."""
CONNECTIONS_AT_LEAST = 256
CGROUP, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
_VERSION_2 = "0::/"


def connections_at_most(processes: int, limit_bytes: int) -> int:
    """How many connections fit into the memory of one of `processes` that share `limit_bytes`."""
    return max(CONNECTIONS_AT_LEAST, (limit_bytes // processes - OWN_BYTES - HELD_BYTES) // CONNECTION_BYTES)


def memory_limit() -> int:
    """The limit of the service in bytes."""
    limit = cgroup_limit()
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 if limit is None else limit


def cgroup_limit(cgroup: Path = CGROUP, cgroups: Path = CGROUPS) -> int | None:
    """The lowest `memory.max` of this process's control group and of those above it; None if there is none."""
    limits = []
    with suppress(OSError):
        group = next((line.removeprefix(_VERSION_2) for line in cgroup.read_text().splitlines() if line.startswith(_VERSION_2)), None)
        folder = None if group is None else cgroups / group
        while folder is not None:
            # Without a limit it contains `max`; the file is absent at the top, and without the memory controller.
            with suppress(OSError, ValueError):
                limits.append(int((folder / "memory.max").read_text()))
            folder = folder.parent if folder != cgroups else None
    return min(limits, default=None)
