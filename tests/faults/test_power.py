"""The power is cut in the middle of a drain: what the disk holds at that moment, and what was accepted, is every pour.

A file system with shared extents takes a picture of another one's disk at one instant, without asking it to write
anything first: that is what a power cut leaves, journal unplayed, of a disk that keeps the order of its writes.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from faults.conftest import Tally
from faults.siege import ext4, mounted, needs_loop_devices
from support.keg import Keg
from support.ledger import Ledger
from support.scripted_server import ScriptedServer
from support.wait import wait_for

PICTURES = 8
POURS = 1000
JOURNAL_S = 1
"""How often ext4 commits its journal, so that pictures fall on all sides of it."""


def picture(disk: Path, number: int, ledger: Ledger) -> tuple[Path, set[str]]:
    """The disk as it is now, and what had been accepted by then."""
    taken = disk.with_name(f"picture{number}")
    subprocess.run(["cp", "--reflink=always", disk, taken], check=True)
    return taken, set(ledger.accepted)


def accepts(ledger: Ledger, number: int) -> None:
    """Waits until the server has accepted so many."""
    wait_for(lambda: len(ledger.accepted) >= number, 60, every_s=0.001)


def test_a_power_cut_at_any_moment_of_a_drain_loses_nothing(
    tmp_path: Path, scripted_keg: Keg, scripted_server: ScriptedServer, tally: Tally, lots: random.Random
) -> None:
    needs_loop_devices()
    shelf, ledger = tmp_path / "shelf", Ledger()
    scripted_server.pour_answer = ledger.answer
    subprocess.run(["truncate", "--size=400M", tmp_path / "shelf.xfs"], check=True)
    subprocess.run(["mkfs.xfs", "-q", tmp_path / "shelf.xfs"], check=True)
    shelf.mkdir()
    with mounted(shelf, "-o", "loop", tmp_path / "shelf.xfs"):
        disk = shelf / "disk"
        ext4(disk, 16_384, 4 * POURS, journal=True)
        made = {str(ts) for ts in range(POURS)}
        with mounted(scripted_keg.spool, "-o", f"loop,commit={JOURNAL_S}", disk):
            for ts in made:
                scripted_keg.pour(f"0,586,8213,{ts}\n", f"{ts}.pour")
            subprocess.run(["sync", "--file-system", scripted_keg.spool], check=True)
            scripted_keg.start()
            pictures = []
            for number in range(PICTURES):
                accepts(ledger, int(lots.uniform(number, number + 1) * POURS / PICTURES))
                pictures.append(picture(disk, number, ledger))
            assert scripted_keg.stop() == 0
        for taken, accepted in pictures:
            tally.kills += 1
            ledger.accepted = {ts: ledger.accepted[ts][:1] for ts in accepted}
            with mounted(scripted_keg.spool, "-o", "loop", taken):
                kept = {name.partition(".")[0] for name in scripted_keg.waiting()}
                assert scripted_keg.failed() == []
                assert made <= kept | accepted, f"lost in the power cut: {sorted(made - kept - accepted)}"
                scripted_keg.start()
                wait_for(lambda: not scripted_keg.waiting(), 60)
                assert scripted_keg.stop() == 0
            tally.settle(made, ledger)
