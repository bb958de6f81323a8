"""The power is cut while a backlog is sent: each pour is on the disk at that moment, or was accepted.

A file system with shared extents copies the disk of another one at one instant, which is not asked to write anything
first: that is what a power cut leaves of a disk that keeps the order of its writes.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from faults.conftest import FaultCounts
from faults.local_fault import ext4, mounted, needs_loop_devices
from support.keg import Keg
from support.ledger import Ledger
from support.scripted_server import ScriptedServer
from support.wait import wait_for

SNAPSHOTS = 8
POURS = 1000
JOURNAL_S = 1
"""How often ext4 commits its journal: there are snapshots before and after a commit."""


def snapshot(disk: Path, number: int, ledger: Ledger) -> tuple[Path, set[str]]:
    """The disk as it is now, and what has been accepted."""
    taken = disk.with_name(f"snapshot{number}")
    subprocess.run(["cp", "--reflink=always", disk, taken], check=True)
    return taken, set(ledger.accepted)


def accepts(ledger: Ledger, number: int) -> None:
    """Waits until the server has accepted so many pours."""
    wait_for(lambda: len(ledger.accepted) >= number, 60, every_s=0.001)


def test_a_power_cut_at_any_moment_loses_nothing(
    tmp_path: Path, scripted_keg: Keg, scripted_server: ScriptedServer, counts: FaultCounts, source: random.Random
) -> None:
    needs_loop_devices()
    storage, ledger = tmp_path / "storage", Ledger()
    scripted_server.pour_answer = ledger.answer
    subprocess.run(["truncate", "--size=400M", tmp_path / "storage.xfs"], check=True)
    subprocess.run(["mkfs.xfs", "-q", tmp_path / "storage.xfs"], check=True)
    storage.mkdir()
    with mounted(storage, "-o", "loop", tmp_path / "storage.xfs"):
        disk = storage / "disk"
        ext4(disk, 16_384, 4 * POURS, journal=True)
        made = {str(ts) for ts in range(POURS)}
        with mounted(scripted_keg.spool, "-o", f"loop,commit={JOURNAL_S}", disk):
            for ts in made:
                scripted_keg.pour(f"0,586,8213,{ts}\n", f"{ts}.pour")
            subprocess.run(["sync", "--file-system", scripted_keg.spool], check=True)
            scripted_keg.start()
            snapshots = []
            for number in range(SNAPSHOTS):
                accepts(ledger, int(source.uniform(number, number + 1) * POURS / SNAPSHOTS))
                snapshots.append(snapshot(disk, number, ledger))
            assert scripted_keg.stop() == 0
        for taken, accepted in snapshots:
            counts.kills += 1
            ledger.accepted = {ts: ledger.accepted[ts][:1] for ts in accepted}
            with mounted(scripted_keg.spool, "-o", "loop", taken):
                kept = {name.partition(".")[0] for name in scripted_keg.waiting()}
                assert scripted_keg.failed() == []
                assert made <= kept | accepted, f"lost in the power cut: {sorted(made - kept - accepted)}"
                scripted_keg.start()
                wait_for(lambda: not scripted_keg.waiting(), 60)
                assert scripted_keg.stop() == 0
            counts.check_delivery(made, ledger)
