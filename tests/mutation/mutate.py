"""Mutation testing of the server by cosmic-ray, in a copy of the repository. The next run goes on from there."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkerOutcome, WorkItem, WorkResult

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mutation.parts import LEFT_OUT, PARTS, Part

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = Path(os.environ.get("KEGNET_LAB", "/var/tmp/kegnet-client-lab"))
JUDGE = Path(__file__).resolve().with_name("judge.py")
KILLED_AT_LEAST = 0.85
_LEFT_OUT = re.compile("|".join(LEFT_OUT))


@dataclass(frozen=True)
class Mutant:
    """A mutant and what became of it: `survived`, `killed`, `killed by time-out`, `invalid N`, or `waits`."""

    module: str
    line: int
    operator: str
    verdict: str
    diff: str


class Session:
    """The mutants of one part, in a folder of its own: the copy, cosmic-ray's configuration, and its database."""

    def __init__(self, folder: Path, name: str, part: Part) -> None:
        self.name, self._part = name, part
        self._folder = folder / name
        self._tree = self._folder / "tree"
        self._configuration = self._folder / "configuration.toml"
        self._database = self._folder / "mutants.sqlite"
        self._socket = self._folder / "judge"
        self.modules = part.module_paths(REPOSITORY)
        self._tests = part.test_paths(REPOSITORY)

    def prepare(self, sample: int | None) -> str:
        """Makes the mutants, or keeps those of the last run if modules and tests are the same. Returns what is wrong, or nothing."""
        state = hashlib.sha256(b"".join((REPOSITORY / path).read_bytes() for path in self.modules + self._tests) + repr(sample).encode())
        kept = self._folder / "state"
        if not kept.exists() or kept.read_text() != state.hexdigest():
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
        self._copy()
        if kept.exists():
            return ""
        start = time.monotonic()
        with self._judge_running():
            judged = subprocess.run(shlex.split(self._judge(300)), cwd=self._tree, capture_output=True, text=True)
        if judged.returncode != 0:
            return f"the tests do not pass without a mutant: {judged.stdout.strip()}"
        self._configure(10 + 5 * (time.monotonic() - start))
        self._cosmic_ray("init", self._configuration, self._database)
        self._choose(sample)
        kept.write_text(state.hexdigest())
        return ""

    def _copy(self) -> None:
        # Always anew: an interrupted run may have left a mutant.
        shutil.rmtree(self._tree, ignore_errors=True)
        for name in ("lib", "tests", "conf", "service"):
            shutil.copytree(REPOSITORY / name, self._tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "corpus"))
        for name in ("pyproject.toml", "README.md", "setup.py"):
            shutil.copy(REPOSITORY / name, self._tree / name)

    def _judge(self, limit_s: float) -> str:
        return f"/usr/bin/python3 -ISB {JUDGE} {self._socket} {limit_s:.0f} {shlex.join([*self._tests, *self._part.words])}"

    @contextmanager
    def _judge_running(self) -> Iterator[None]:
        self._socket.unlink(missing_ok=True)
        judge = subprocess.Popen(["/usr/bin/python3", "-B", JUDGE, self._socket], cwd=self._tree, stdin=subprocess.DEVNULL)
        try:
            while not self._socket.exists() and judge.poll() is None:
                time.sleep(0.05)
            yield
        finally:
            judge.kill()
            judge.wait()

    def _configure(self, limit_s: float) -> None:
        lines = (
            "[cosmic-ray]",
            f"module-path = {self.modules}",
            f"timeout = {limit_s + 30:.0f}",
            "excluded-modules = []",
            f"test-command = {json.dumps(self._judge(limit_s))}",
            "[cosmic-ray.distributor]",
            'name = "local"',
        )
        self._configuration.write_text("\n".join(lines) + "\n")

    def _cosmic_ray(self, *words: str | Path, limit_s: float | None = None) -> None:
        command: list[str | Path] = [sys.executable, "-m", "cosmic_ray.cli", *words]
        try:
            subprocess.run(command, cwd=self._tree, check=True, timeout=limit_s)
        except subprocess.TimeoutExpired:
            print(f"{self.name}: the time is over; the next run goes on", flush=True)

    def _choose(self, sample: int | None) -> None:
        """Marks what is left out as skipped: operators, and per module what is beyond the sample."""
        with use_db(self._database, WorkDB.Mode.open) as database:
            of_module: dict[str, list[WorkItem]] = {}
            for item in list(database.pending_work_items):
                if _LEFT_OUT.match(item.mutations[0].operator_name):
                    database.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
                else:
                    of_module.setdefault(str(item.mutations[0].module_path), []).append(item)
            for items in of_module.values():
                random.Random(1).shuffle(items)
                for item in items[sample:] if sample else []:
                    database.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))

    def run(self, limit_s: float) -> None:
        """Tries the mutants that wait, until the time is over."""
        with self._judge_running():
            self._cosmic_ray("exec", self._configuration, self._database, limit_s=limit_s)

    def mutants(self) -> Iterator[Mutant]:
        """All that were chosen."""
        if not self._database.exists():
            return
        with use_db(self._database, WorkDB.Mode.open) as database:
            results = dict(database.results)
            for item in list(database.work_items):
                result = results.get(item.job_id)
                if result and result.worker_outcome == WorkerOutcome.SKIPPED:
                    continue
                mutation = item.mutations[0]
                diff = (result.diff if result else None) or ""
                yield Mutant(str(mutation.module_path), mutation.start_pos[0], mutation.operator_name, _verdict(result), diff)


def _verdict(result: WorkResult | None) -> str:
    if result is None:
        return "waits"
    lines = (result.output or "").strip().splitlines()
    if result.worker_outcome == WorkerOutcome.NORMAL and lines:
        return str(lines[-1])
    return "killed by time-out" if lines and lines[-1] == "timeout" else f"invalid {result.worker_outcome}"


def report(mutants: list[Mutant], survivors: bool) -> bool:
    """Prints a table of the modules, and the survivors. Returns whether enough were killed."""
    print("| module | mutants | killed | of these by time-out | survived | invalid | wait | killed of valid |\n" + "| --- " * 8 + "|")
    sums = [_row(module, [each for each in mutants if each.module == module]) for module in sorted({each.module for each in mutants})]
    killed, survived = sum(killed for killed, _ in sums), sum(survived for _, survived in sums)
    share = killed / max(1, killed + survived)
    print(f"\n{killed} killed, {survived} survived: {share:.1%}")
    for each in mutants:
        if survivors and each.verdict not in ("killed", "killed by time-out", "waits"):
            changed = [line for line in each.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
            print(f"\n{each.verdict}: {each.module}:{each.line} {each.operator}\n" + "\n".join(changed))
    return share >= KILLED_AT_LEAST


def _row(module: str, mutants: list[Mutant]) -> tuple[int, int]:
    verdicts = [each.verdict.split()[0] for each in mutants]
    timed_out = sum(each.verdict == "killed by time-out" for each in mutants)
    killed, survived, invalid, wait = (verdicts.count(each) for each in ("killed", "survived", "invalid", "waits"))
    name = module.removeprefix("lib/kegnet/server/")
    share = killed / max(1, killed + survived)
    print(f"| {name} | {len(mutants)} | {killed} | {timed_out} | {survived} | {invalid} | {wait} | {share:.0%} |")
    return killed, survived


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", default=list(PARTS), help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--minutes", type=float, default=240, help="end after so long; the next run goes on (%(default)s)")
    parser.add_argument("--sample", type=int, help="try only so many of each module, chosen at random")
    parser.add_argument("--report", action="store_true", help="try nothing, print what there is")
    parser.add_argument("--folder", type=Path, default=LAB / "mutation", help="where the state is kept (%(default)s)")
    arguments = parser.parse_args()
    end, mutants, complete = time.monotonic() + 60 * arguments.minutes, list[Mutant](), True
    for name in arguments.parts:
        session = Session(arguments.folder, name, PARTS[name])
        wrong = "" if arguments.report else session.prepare(arguments.sample)
        if wrong:
            print(f"{name}: {wrong}")
            complete = False
        elif not arguments.report and time.monotonic() < end:
            session.run(end - time.monotonic())
        mutants += session.mutants()
    enough = report(mutants, survivors=True)
    return 0 if complete and enough and not any(each.verdict == "waits" for each in mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
