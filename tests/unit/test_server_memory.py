"""How many connections the memory of the service allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from kegnet.server.memory import CONNECTIONS_AT_LEAST, cgroup_limit, connections_at_most, memory_limit

MB = 1024 * 1024
GROUP = "0::/system.slice/kegnet-server.service\n"


@pytest.mark.parametrize(
    ("processes", "megabytes", "at_least"), [(1, 288, 2100), (2, 288, 530), (1, 1024, 10_000), (1, 64, CONNECTIONS_AT_LEAST)]
)
def test_connections_use_what_the_process_leaves(processes: int, megabytes: int, at_least: int) -> None:
    number = connections_at_most(processes, megabytes * MB)
    assert at_least <= number < 1.2 * at_least


def test_the_lowest_limit_of_the_groups_counts(tmp_path: Path) -> None:
    own, cgroups = tmp_path / "cgroup", tmp_path / "cgroups"
    service = cgroups / "system.slice/kegnet-server.service"
    service.mkdir(parents=True)
    own.write_text(f"4:memory:/of/version/1\n{GROUP}")
    assert cgroup_limit(own, cgroups) is None
    (service / "memory.max").write_text("max\n")
    assert cgroup_limit(own, cgroups) is None
    (service / "memory.max").write_text(f"{256 * MB}\n")
    assert cgroup_limit(own, cgroups) == 256 * MB
    (cgroups / "system.slice/memory.max").write_text(f"{128 * MB}\n")
    assert cgroup_limit(own, cgroups) == 128 * MB


def test_a_computer_without_control_groups_has_a_limit_too(tmp_path: Path) -> None:
    assert cgroup_limit(tmp_path / "absent", tmp_path) is None
    assert memory_limit() > 64 * MB
