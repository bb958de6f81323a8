"""A crash before each system call that removes or requeues a pour: what is in the directory, and what the next start finds there."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kegnet.client.outcome import Fate
from kegnet.client.retry import Attempts
from kegnet.client.spool import Spool, files

LINE = "0,586,8213,1372686435017\n"
REMOVE_ACCEPTED = [{"x.pour"}, {"x.leaving.pour"}, set()]
SET_ASIDE = [{"x.pour"}, {"x.leaving.pour"}, {"x.leaving.pour", "x.pour.fail"}, {"x.pour.fail"}]
REQUEUE = [{"x.pour.fail"}, {"x.pour.fail", "x.pour"}, {"x.pour.fail", "x.pour"}, {"x.pour"}]
"""The names in the directory where the crash comes before the first call, the second one and so on; the last without a crash."""


class CrashError(BaseException):
    """The process ends here: not an Exception, so that nothing handles it."""


def crash_before(call: int, work: Callable[[], object]) -> None:
    """Does `work`, and ends it before its system call number `call` that changes the directory or waits for the disk."""
    calls = count()

    def crashing(real: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            if next(calls) == call:
                raise CrashError
            return real(*arguments, **options)

        return function

    with pytest.MonkeyPatch.context() as patch:
        for name in ("rename", "link", "unlink", "fsync"):
            patch.setattr(os, name, crashing(getattr(os, name)))
        try:
            work()
        except CrashError:
            return


def found_by_the_next_start(folder: Path) -> set[str]:
    """The pours that a new client hands out."""
    spool = Spool(folder, now=0)
    names = set()
    while (entry := spool.next(now=0)) is not None:
        assert spool.read(entry.name, 100).head == LINE.encode()
        names.add(entry.name)
        spool.drop(entry.name)
    spool.close()
    return names


def check(folder: Path, expected: set[str]) -> None:
    assert set(os.listdir(folder)) == expected
    assert found_by_the_next_start(folder) == {name for name in expected if name.endswith(".pour")}


@pytest.mark.parametrize(
    ("fate", "call", "expected"),
    [(Fate.DELETE, call, expected) for call, expected in enumerate(REMOVE_ACCEPTED)]
    + [(Fate.SET_ASIDE, call, expected) for call, expected in enumerate(SET_ASIDE)],
)
def test_a_crash_in_a_removal_leaves_the_pour_or_completes_it(tmp_path: Path, fate: Fate, call: int, expected: set[str]) -> None:
    (tmp_path / "x.pour").write_text(LINE)
    spool = Spool(tmp_path, now=0)
    content = spool.read("x.pour", 100)
    crash_before(call, lambda: spool.apply("x.pour", content, fate, Attempts(), "because", 0))
    spool.close()
    check(tmp_path, expected)


@pytest.mark.parametrize(("call", "expected"), enumerate(REQUEUE))
def test_a_crash_while_requeueing_leaves_the_pour_under_one_name_or_both(tmp_path: Path, call: int, expected: set[str]) -> None:
    (tmp_path / "x.pour.fail").write_text(LINE)
    directory = os.open(tmp_path, os.O_RDONLY)
    crash_before(call, lambda: files.put_back(directory, "x.pour.fail"))
    os.close(directory)
    check(tmp_path, expected)
