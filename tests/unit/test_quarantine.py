"""The pours that are set aside, and the reasons that the log has for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kegnet.client.commands.quarantine import QuarantinedPour, find
from kegnet.core.messages import Pour
from kegnet.core.syslog_handler import escape_name

LINE = "0,586,8213,1372686435017\n"
POUR = Pour(0, 586, 8213, 1372686435017)
NO_REASON = "the log no longer contains the reason"


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a spool directory in `tmp_path`."""
    (tmp_path / "spool").mkdir()
    descriptor = os.open(tmp_path / "spool", os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def set_aside(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "spool" / name).write_text(LINE)


def logged(pour: str, failed: str, reason: str) -> str:
    return (
        f"2026-11-24T11:00:00+00:00 keg kegnet-client[7]: {escape_name(pour)} is set aside as {escape_name(failed)}: "
        f"the server rejected it ({reason}); --requeue sends it again\n"
    )


def reasons(spool: int, *logs: Path) -> dict[str, str]:
    return {found.name: found.reason for found in find(spool, logs)}


def test_two_pours_of_one_name_have_their_own_reasons(tmp_path: Path, spool: int) -> None:
    set_aside(tmp_path, "a.pour.fail", "a.2.pour.fail")
    log = tmp_path / "user.log"
    log.write_text(
        logged("a.pour", "a.pour.fail", "400 Bad Request: bad pulses") + logged("a.pour", "a.2.pour.fail", "400 Bad Request: unknown pin")
    )
    assert find(spool, [log]) == [
        QuarantinedPour("a.2.pour.fail", POUR, "the server rejected it (400 Bad Request: unknown pin)"),
        QuarantinedPour("a.pour.fail", POUR, "the server rejected it (400 Bad Request: bad pulses)"),
    ]


def test_the_latest_reason_counts(tmp_path: Path, spool: int) -> None:
    set_aside(tmp_path, "a.pour.fail", "b.pour.fail", "c.pour.fail")
    old, new = tmp_path / "user.log.1", tmp_path / "user.log"
    old.write_text(logged("a.pour", "a.pour.fail", "403 Forbidden") + logged("b.pour", "b.pour.fail", "404 Not Found"))
    new.write_text("other\n" + logged("a.pour", "a.pour.fail", "400 Bad Request: ; ha"))
    assert reasons(spool, new, old, tmp_path / "missing") == {
        "a.pour.fail": "the server rejected it (400 Bad Request: ; ha)",
        "b.pour.fail": "the server rejected it (404 Not Found)",
        "c.pour.fail": NO_REASON,
    }


def test_a_line_of_an_earlier_release_is_understood(tmp_path: Path, spool: int) -> None:
    set_aside(tmp_path, "a.pour.fail")
    log = tmp_path / "user.log"
    log.write_text(
        "keg kegnet-client[7]: a.pour is set aside as a.pour.fail: the server refused it (410 Gone); renamed back, it is sent again\n"
    )
    assert reasons(spool, log) == {"a.pour.fail": "the server refused it (410 Gone)"}


@pytest.mark.parametrize("stem", ["e\n", "with a blank", "colon: x", "x" * 200])
def test_a_name_is_found_as_the_log_writes_it(tmp_path: Path, spool: int, stem: str) -> None:
    set_aside(tmp_path, f"{stem}.pour.fail")
    log = tmp_path / "user.log"
    log.write_text(logged(f"{stem}.pour", f"{stem}.pour.fail", "418 x"))
    assert reasons(spool, log) == {f"{stem}.pour.fail": "the server rejected it (418 x)"}


def test_what_is_no_file_is_not_set_aside(tmp_path: Path, spool: int) -> None:
    os.mkfifo(tmp_path / "spool/a.pour.fail")
    (tmp_path / "spool/b.pour.fail").symlink_to("/etc/passwd")
    (tmp_path / "spool/c.pour.fail").mkdir()
    assert find(spool, []) == []
