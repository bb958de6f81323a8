"""The running daemon and its spool."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support.keg import Keg
from support.moody import Connection, Moody, Request, answers
from support.pki import signature
from support.standin import StandIn
from support.wait import stays, wait_for

WITHIN_A_SECOND = 1.0


def test_a_pour_is_sent_signed_as_openssl_signs_it_and_removed_from_the_spool(keg: Keg, kegnet: StandIn) -> None:
    keg.start()
    keg.pour("0,586,8213,1372686435017\n", "01372686435017.pour")
    pour = kegnet.wait_for_messages("pour", keg)[0]
    assert (pour["pin"], pour["pulses"], pour["et"], pour["ts"]) == (0, 586, 8213, 1372686435017)
    assert pour["sig"] == signature(keg.key, f"{keg.client_id},0,586,8213,1372686435017")
    wait_for(lambda: not os.listdir(keg.spool))
    keg.journal.wait("pour accepted: 01372686435017.pour")


def test_a_pour_renamed_in_is_accepted_within_a_second(keg: Keg, kegnet: StandIn) -> None:
    keg.start()
    kegnet.wait_for_messages("ping", keg)
    keg.pour("0,586,8213,1372686435017")
    kegnet.wait_for_messages("pour", keg, limit_s=WITHIN_A_SECOND)


def test_a_pour_that_was_there_before_the_start_is_sent_at_once(keg: Keg, kegnet: StandIn) -> None:
    keg.pour()
    keg.start()
    kegnet.wait_for_messages("pour", keg, limit_s=WITHIN_A_SECOND)


def test_a_pour_made_with_echo_or_cp_counts(keg: Keg, kegnet: StandIn) -> None:
    keg.start()
    subprocess.run(
        "echo 1,2,3,4 > made.pour; cp made.pour /tmp/$$; cp /tmp/$$ copied.pour; rm /tmp/$$", shell=True, check=True, cwd=keg.spool
    )
    kegnet.wait_for_messages("pour", keg)
    wait_for(lambda: not keg.waiting())
    assert len(kegnet.messages("pour", keg)) == 1, "the same message twice is one"


def test_the_oldest_pour_goes_first_and_v1_seconds_stay_as_they_are(moody_keg: Keg, moody: Moody) -> None:
    for age, pulses in enumerate((30, 20, 10)):
        path = moody_keg.pour(f"0,{pulses},8,1372686435\n")
        os.utime(path, (time.time() - 100 + age, time.time() - 100 + age))
    moody_keg.start()
    sent = moody.wait_for_requests("/pour", 3)
    assert [request.fields["pulses"] for request in sent] == ["30", "20", "10"]
    assert sent[0].fields["ts"] == "1372686435"


def test_everything_else_in_the_directory_is_ignored(moody_keg: Keg, moody: Moody) -> None:
    for name in ("x.tmp", "y.pour.fail", "z.pour~", ".hidden", "pour"):
        (moody_keg.spool / name).write_text("0,1,2,3\n")
    (moody_keg.spool / "sub").mkdir()
    (moody_keg.spool / "sub" / "x.pour").write_text("0,1,2,3\n")
    before = sorted(os.listdir(moody_keg.spool))
    moody_keg.start()
    moody_keg.pour()
    moody.wait_for_requests("/pour")
    wait_for(lambda: sorted(os.listdir(moody_keg.spool)) == before)
    assert len(moody.paths("/pour")) == 1


@pytest.mark.parametrize("present", ["before the start", "after it"])
def test_what_is_not_a_file_is_neither_followed_nor_sent_and_does_not_block(moody_keg: Keg, moody: Moody, present: str) -> None:
    outside = moody_keg.folder / "secret"
    outside.write_text("0,9,9,9\n")
    if present == "after it":
        moody_keg.start()
    os.mkfifo(moody_keg.spool / "fifo.pour")
    (moody_keg.spool / "directory.pour").mkdir()
    (moody_keg.spool / "link").symlink_to(outside)
    (moody_keg.spool / "link").rename(moody_keg.spool / "link.pour")
    (moody_keg.spool / "endless.pour").symlink_to("/dev/zero")
    (moody_keg.spool / "loop.pour").symlink_to("loop.pour")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(moody_keg.spool / "socket.pour"))
    if present == "before the start":
        moody_keg.start()
    moody_keg.pour("0,1,2,3")
    assert moody.wait_for_requests("/pour")[0].fields["pulses"] == "1"
    moody_keg.journal.wait("link.pour is ignored: it is not a regular file")
    wait_for(lambda: len(moody_keg.waiting()) == 6)
    assert len(moody.paths("/pour")) == 1
    assert not moody_keg.journal.lines("9,9,9")
    assert outside.read_text() == "0,9,9,9\n"
    assert moody_keg.stop() == 0


def test_a_file_of_200_megabytes_is_set_aside_unread(moody_keg: Keg) -> None:
    with (moody_keg.spool / "huge.tmp").open("wb") as file:
        file.truncate(200 * 2**20)
    os.utime(moody_keg.spool / "huge.tmp", (1, 1))
    moody_keg.start()
    (moody_keg.spool / "huge.tmp").rename(moody_keg.spool / "huge.pour")
    wait_for(lambda: moody_keg.failed() == ["huge.pour.fail"])
    peak_kb = int(Path(f"/proc/{moody_keg.pid}/status").read_text().split("VmHWM:")[1].split()[0])
    assert peak_kb < 100_000


@pytest.mark.parametrize(
    "content",
    ["", "\n", "0,1,2\n", "0,1,2,3,4\n", "a,b,c,d\n", "0,1,2,3\n0,1,2,3\n", "0;1;2;3\n", "0,1.5,2,3\n", "0,-1,2,3\n", "+0,1,2,3\n"],
)
def test_an_invalid_pour_is_set_aside_10_seconds_after_it_was_reported_and_not_sent(moody_keg: Keg, moody: Moody, content: str) -> None:
    moody_keg.start()
    moody_keg.pour(content, "x.pour")
    assert stays(lambda: moody_keg.failed() == [], 8)
    wait_for(lambda: moody_keg.failed() == ["x.pour.fail"])
    moody_keg.journal.wait("x.pour is set aside as x.pour.fail")
    assert not moody.paths("/pour")


def test_a_file_that_is_still_being_written_is_sent_when_it_is_closed(moody_keg: Keg, moody: Moody) -> None:
    with (moody_keg.spool / "slow.pour").open("w") as file:
        file.write("0,586,82")
        file.flush()
        moody_keg.start()
        moody.wait_for_requests("/ping")
        file.write("13,1372686435017")
    assert moody.wait_for_requests("/pour")[0].fields["et"] == "8213"
    wait_for(lambda: not os.listdir(moody_keg.spool))


def test_a_pour_without_a_newline_that_is_still_being_written_is_not_sent_before_it_is_closed(moody_keg: Keg, moody: Moody) -> None:
    with (moody_keg.spool / "slow.pour").open("w") as file:
        file.write("0,586,8213,1372")
        file.flush()
        moody_keg.start()
        moody.wait_for_requests("/ping")
        file.write("686435017")
    assert moody.wait_for_requests("/pour")[0].fields["ts"] == "1372686435017"
    assert stays(lambda: len(moody.paths("/pour")) == 1, 1.5)


def test_a_modification_time_in_the_future_does_not_keep_an_invalid_pour_for_ever(moody_keg: Keg) -> None:
    moody_keg.start()
    path = moody_keg.pour("0,586,82", "x.pour")
    os.utime(path, (time.time() + 10**6, time.time() + 10**6))  # The clock was wrong when it was written.
    assert stays(lambda: moody_keg.failed() == [], 5)
    wait_for(lambda: moody_keg.failed() == ["x.pour.fail"])


def test_another_pour_under_the_same_name_is_not_taken_for_the_accepted_one(moody_keg: Keg, moody: Moody) -> None:
    def replace(connection: Connection, request: Request) -> None:
        if request.fields["pulses"] == "1":
            moody_keg.pour("0,2,2,2\n", "x.pour")
        connection.answer(200)

    moody.mood = replace
    moody_keg.start()
    moody_keg.pour("0,1,1,1\n", "x.pour")
    assert [request.fields["pulses"] for request in moody.wait_for_requests("/pour", 2)] == ["1", "2"]
    wait_for(lambda: not moody_keg.waiting())


def test_a_pour_set_aside_does_not_overwrite_an_older_one(moody_keg: Keg, moody: Moody) -> None:
    moody.mood = answers(400)
    (moody_keg.spool / "x.pour.fail").write_text("0,1,1,1\n")
    moody_keg.start()
    moody_keg.pour("0,2,2,2\n", "x.pour")
    wait_for(lambda: moody_keg.failed() == ["x.2.pour.fail", "x.pour.fail"])
    assert (moody_keg.spool / "x.pour.fail").read_text() == "0,1,1,1\n"


def test_odd_names_are_sent_and_set_aside_and_forge_no_line(moody_keg: Keg, moody: Moody) -> None:
    names = [b"new\nline.pour", b"esc\x1b[31m.pour", b"latin-\xe9.pour", b"a" * 250 + b".pour", "bière.pour".encode()]
    moody_keg.start()
    for number, name in enumerate(names):
        temporary = moody_keg.spool / "temporary"
        temporary.write_text(f"0,{number},0,0\n")
        os.rename(temporary, os.path.join(os.fsencode(moody_keg.spool), name))
    moody.wait_for_requests("/pour", len(names))
    wait_for(lambda: not os.listdir(moody_keg.spool))
    moody.mood = answers(400)
    for name in names:
        temporary.write_text("0,1,1,1\n")
        os.rename(temporary, os.path.join(os.fsencode(moody_keg.spool), name))
    wait_for(lambda: len(moody_keg.failed()) == len(names))
    moody_keg.stop()
    assert all(line.isprintable() for line in moody_keg.journal.datagrams)


def test_an_accepted_pour_that_cannot_be_unlinked_is_not_sent_again(moody_keg: Keg, moody: Moody) -> None:
    moody_keg.start()
    moody_keg.in_its_namespace("mount", "--bind", moody_keg.spool, moody_keg.spool)
    moody_keg.in_its_namespace("mount", "-o", "remount,bind,ro", moody_keg.spool)
    moody_keg.pour("0,1,1,1\n", "x.pour")
    moody_keg.journal.wait("x.pour is to be deleted, but .*Read-only")
    moody_keg.pour("0,2,2,2\n", "y.pour")
    moody.wait_for_requests("/pour", 2)
    assert stays(lambda: len(moody.paths("/pour")) == 2, 2)
    moody_keg.in_its_namespace("mount", "-o", "remount,bind,rw", moody_keg.spool)
    os.utime(moody_keg.spool / "y.pour")
    (moody_keg.spool / "x.pour").open("r+").close()
    wait_for(lambda: "x.pour" not in moody_keg.waiting())
    assert len([request for request in moody.paths("/pour") if request.fields["pulses"] == "1"]) == 1


def test_a_directory_that_is_removed_and_made_again_is_watched_again(moody_keg: Keg, moody: Moody) -> None:
    moody_keg.start()
    shutil.rmtree(moody_keg.spool)
    moody_keg.journal.wait("spool .* does not exist")
    moody_keg.spool.mkdir()
    moody_keg.pour()
    moody.wait_for_requests("/pour")
    moody_keg.journal.wait("can be used again")
    moody_keg.pour("0,1,1,1")
    moody.wait_for_requests("/pour", 2, limit_s=2)


def test_after_an_overflow_of_the_inotify_queue_nothing_is_missed(moody_keg: Keg, moody: Moody) -> None:
    moody_keg.start()
    moody.wait_for_requests("/ping")
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    moody_keg.signal(signal.SIGSTOP)
    temporary = moody_keg.spool / "litter"
    for _ in range(limit // 2 + 100):  # Two events each, and two names, so that the kernel does not merge them.
        temporary.write_text("")
        temporary.rename(moody_keg.spool / "litter2")
        (moody_keg.spool / "litter2").rename(temporary)
    moody_keg.pour()
    moody_keg.signal(signal.SIGCONT)
    moody.wait_for_requests("/pour", limit_s=5)


def test_300_pours_with_ten_kills_on_the_way_all_arrive(keg: Keg, kegnet: StandIn) -> None:
    for number in range(300):
        keg.pour(f"0,{number},8213,1372686435017\n", f"{number}.pour")
    for _ in range(10):
        keg.start(until=None)
        time.sleep(random.uniform(0.1, 0.8))
        keg.signal(signal.SIGKILL)
        keg.ended()
        print(len(keg.waiting()), "pours wait after this kill")
    keg.start()
    wait_for(lambda: not os.listdir(keg.spool), limit_s=60)
    assert {pour["pulses"] for pour in kegnet.messages("pour", keg)} == set(range(300))
