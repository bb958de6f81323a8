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
from support.kegnet_server import KegnetServer
from support.pki import signature
from support.scripted_server import Connection, Request, ScriptedServer, answers
from support.wait import is_quick, stays, wait_for

WITHIN_A_SECOND = 1.0
SETTLED_S = 10.0


def test_a_pour_is_sent_and_removed_from_the_spool(keg: Keg, kegnet: KegnetServer) -> None:
    keg.start()
    keg.pour("0,586,8213,1372686435017\n", "01372686435017.pour")
    pour = kegnet.wait_for_messages("pour", keg)[0]
    assert (pour["pin"], pour["pulses"], pour["et"], pour["ts"]) == (0, 586, 8213, 1372686435017)
    wait_for(lambda: not os.listdir(keg.spool))
    keg.syslog.wait("pour accepted: 01372686435017.pour")


def test_a_pour_is_signed_as_openssl_signs_it(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start()
    scripted_keg.pour("0,586,8213,1372686435017\n", "01372686435017.pour")
    fields = scripted_server.wait_for_requests("/pour")[0].fields
    assert fields["sig"] == signature(scripted_keg.key, f"{scripted_keg.client_id},0,586,8213,1372686435017")


def test_a_pour_renamed_in_is_accepted_within_a_second(keg: Keg, kegnet: KegnetServer) -> None:
    keg.start()
    kegnet.wait_for_messages("ping", keg)
    took_s = []
    for number in range(1, 6):
        begun = time.monotonic()
        keg.pour(f"0,{number},8213,1372686435017")
        kegnet.wait_for_messages("pour", keg, number)
        took_s.append(time.monotonic() - begun)
    # A busy machine can hold some up.
    assert min(took_s) < WITHIN_A_SECOND, took_s


def test_a_pour_that_was_there_before_the_start_is_sent_at_once(keg: Keg, kegnet: KegnetServer) -> None:
    keg.pour()
    keg.start()
    kegnet.wait_for_messages("pour", keg)


def test_a_pour_made_with_echo_or_cp_counts(keg: Keg, kegnet: KegnetServer) -> None:
    keg.start()
    # The client can have sent and deleted a file before the next command.
    commands = "echo 1,2,3,4 > /tmp/$$; echo 1,2,3,4 > made.pour; cp /tmp/$$ copied.pour; rm /tmp/$$"
    subprocess.run(commands, shell=True, check=True, cwd=keg.spool)
    kegnet.wait_for_messages("pour", keg)
    wait_for(lambda: not keg.waiting())
    assert len(kegnet.messages("pour", keg)) == 1, "the same message twice is one"


def test_the_oldest_pour_goes_first_and_v1_seconds_stay_as_they_are(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    for age, pulses in enumerate((30, 20, 10)):
        path = scripted_keg.pour(f"0,{pulses},8,1372686435\n")
        os.utime(path, (time.time() - 100 + age, time.time() - 100 + age))
    scripted_keg.start()
    sent = scripted_server.wait_for_requests("/pour", 3)
    assert [request.fields["pulses"] for request in sent] == ["30", "20", "10"]
    assert sent[0].fields["ts"] == "1372686435"


def test_everything_else_in_the_directory_is_ignored(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    for name in ("x.tmp", "y.pour.fail", "z.pour~", ".hidden", "pour"):
        (scripted_keg.spool / name).write_text("0,1,2,3\n")
    (scripted_keg.spool / "sub").mkdir()
    (scripted_keg.spool / "sub" / "x.pour").write_text("0,1,2,3\n")
    before = sorted(os.listdir(scripted_keg.spool))
    scripted_keg.start()
    scripted_keg.pour()
    scripted_server.wait_for_requests("/pour")
    wait_for(lambda: sorted(os.listdir(scripted_keg.spool)) == before)
    assert len(scripted_server.paths("/pour")) == 1


@pytest.mark.parametrize("present", ["before the start", "after it"])
def test_what_is_not_a_file_is_neither_followed_nor_sent_and_does_not_block(
    scripted_keg: Keg, scripted_server: ScriptedServer, present: str
) -> None:
    outside = scripted_keg.folder / "secret"
    outside.write_text("0,9,9,9\n")
    if present == "after it":
        scripted_keg.start()
    os.mkfifo(scripted_keg.spool / "fifo.pour")
    (scripted_keg.spool / "directory.pour").mkdir()
    (scripted_keg.spool / "link").symlink_to(outside)
    (scripted_keg.spool / "link").rename(scripted_keg.spool / "link.pour")
    (scripted_keg.spool / "endless.pour").symlink_to("/dev/zero")
    (scripted_keg.spool / "loop.pour").symlink_to("loop.pour")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(scripted_keg.spool / "socket.pour"))
    if present == "before the start":
        scripted_keg.start()
    scripted_keg.pour("0,1,2,3")
    assert scripted_server.wait_for_requests("/pour")[0].fields["pulses"] == "1"
    scripted_keg.syslog.wait("link.pour is ignored: it is not a regular file")
    wait_for(lambda: len(scripted_keg.waiting()) == 6)
    assert len(scripted_server.paths("/pour")) == 1
    assert not scripted_keg.syslog.lines("9,9,9")
    assert outside.read_text() == "0,9,9,9\n"
    assert scripted_keg.stop() == 0


def test_a_file_of_200_megabytes_is_set_aside_unread(scripted_keg: Keg) -> None:
    with (scripted_keg.spool / "huge.tmp").open("wb") as file:
        file.truncate(200 * 2**20)
    os.utime(scripted_keg.spool / "huge.tmp", (1, 1))
    scripted_keg.start()
    (scripted_keg.spool / "huge.tmp").rename(scripted_keg.spool / "huge.pour")
    wait_for(lambda: scripted_keg.failed() == ["huge.pour.fail"])
    peak_kb = int(Path(f"/proc/{scripted_keg.pid}/status").read_text().split("VmHWM:")[1].split()[0])
    assert peak_kb < 100_000


@pytest.mark.parametrize(
    "content",
    ["", "\n", "0,1,2\n", "0,1,2,3,4\n", "a,b,c,d\n", "0,1,2,3\n0,1,2,3\n", "0;1;2;3\n", "0,1.5,2,3\n", "0,-1,2,3\n", "+0,1,2,3\n"],
)
def test_an_invalid_pour_is_set_aside_10_seconds_after_it_was_reported_and_not_sent(
    scripted_keg: Keg, scripted_server: ScriptedServer, content: str
) -> None:
    scripted_keg.start()
    begun = time.monotonic()
    scripted_keg.pour(content, "x.pour")
    wait_for(lambda: scripted_keg.failed() == ["x.pour.fail"])
    assert time.monotonic() - begun >= SETTLED_S
    scripted_keg.syslog.wait("x.pour is set aside as x.pour.fail")
    assert not scripted_server.paths("/pour")


def test_a_file_that_is_still_being_written_is_sent_when_it_is_closed(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    with (scripted_keg.spool / "slow.pour").open("w") as file:
        file.write("0,586,82")
        file.flush()
        scripted_keg.start()
        scripted_server.wait_for_requests("/ping")
        file.write("13,1372686435017")
    assert scripted_server.wait_for_requests("/pour")[0].fields["et"] == "8213"
    wait_for(lambda: not os.listdir(scripted_keg.spool))


def test_a_pour_without_a_newline_that_is_still_being_written_is_not_sent_before_it_is_closed(
    scripted_keg: Keg, scripted_server: ScriptedServer
) -> None:
    with (scripted_keg.spool / "slow.pour").open("w") as file:
        file.write("0,586,8213,1372")
        file.flush()
        scripted_keg.start()
        scripted_server.wait_for_requests("/ping")
        file.write("686435017")
    assert scripted_server.wait_for_requests("/pour")[0].fields["ts"] == "1372686435017"
    assert stays(lambda: len(scripted_server.paths("/pour")) == 1, 1.5)


def test_a_modification_time_in_the_future_does_not_keep_an_invalid_pour_for_ever(scripted_keg: Keg) -> None:
    scripted_keg.start()
    path = scripted_keg.spool / "x.tmp"
    path.write_text("0,586,82")
    os.utime(path, (time.time() + 10**6, time.time() + 10**6))  # The clock was wrong when it was written.
    begun = time.monotonic()
    path.rename(scripted_keg.spool / "x.pour")
    wait_for(lambda: scripted_keg.failed() == ["x.pour.fail"])
    assert time.monotonic() - begun >= SETTLED_S


def test_another_pour_under_the_same_name_is_not_taken_for_the_accepted_one(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    def replace(connection: Connection, request: Request) -> None:
        if request.fields["pulses"] == "1":
            scripted_keg.pour("0,2,2,2\n", "x.pour")
        connection.answer(200)

    scripted_server.pour_answer = replace
    scripted_keg.start()
    scripted_keg.pour("0,1,1,1\n", "x.pour")
    assert [request.fields["pulses"] for request in scripted_server.wait_for_requests("/pour", 2)] == ["1", "2"]
    wait_for(lambda: not scripted_keg.waiting())


def test_a_pour_set_aside_does_not_overwrite_an_older_one(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = answers(400)
    (scripted_keg.spool / "x.pour.fail").write_text("0,1,1,1\n")
    scripted_keg.start()
    scripted_keg.pour("0,2,2,2\n", "x.pour")
    wait_for(lambda: scripted_keg.failed() == ["x.2.pour.fail", "x.pour.fail"])
    assert (scripted_keg.spool / "x.pour.fail").read_text() == "0,1,1,1\n"


def test_odd_names_are_sent_and_set_aside_and_forge_no_line(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    names = [b"new\nline.pour", b"esc\x1b[31m.pour", b"latin-\xe9.pour", b"a" * 250 + b".pour", "bière.pour".encode()]
    scripted_keg.start()
    for number, name in enumerate(names):
        temporary = scripted_keg.spool / "temporary"
        temporary.write_text(f"0,{number},0,0\n")
        os.rename(temporary, os.path.join(os.fsencode(scripted_keg.spool), name))
    scripted_server.wait_for_requests("/pour", len(names))
    wait_for(lambda: not os.listdir(scripted_keg.spool))
    scripted_server.pour_answer = answers(400)
    for name in names:
        temporary.write_text("0,1,1,1\n")
        os.rename(temporary, os.path.join(os.fsencode(scripted_keg.spool), name))
    wait_for(lambda: len(scripted_keg.failed()) == len(names))
    scripted_keg.stop()
    assert all(line.isprintable() for line in scripted_keg.syslog.datagrams)


def test_an_accepted_pour_that_cannot_be_unlinked_is_not_sent_again(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start()
    scripted_keg.run_in_namespace("mount", "--bind", scripted_keg.spool, scripted_keg.spool)
    scripted_keg.run_in_namespace("mount", "-o", "remount,bind,ro", scripted_keg.spool)
    scripted_keg.pour("0,1,1,1\n", "x.pour")
    scripted_keg.syslog.wait("x.pour is to be deleted, but .*Read-only")
    scripted_keg.pour("0,2,2,2\n", "y.pour")
    scripted_server.wait_for_requests("/pour", 2)
    assert stays(lambda: len(scripted_server.paths("/pour")) == 2, 2)
    scripted_keg.run_in_namespace("mount", "-o", "remount,bind,rw", scripted_keg.spool)
    os.utime(scripted_keg.spool / "y.pour")
    (scripted_keg.spool / "x.pour").open("r+").close()
    wait_for(lambda: "x.pour" not in scripted_keg.waiting())
    assert len([request for request in scripted_server.paths("/pour") if request.fields["pulses"] == "1"]) == 1


def test_a_directory_that_is_removed_and_made_again_is_watched_again(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start()
    shutil.rmtree(scripted_keg.spool)
    scripted_keg.syslog.wait("spool .* does not exist")
    scripted_keg.spool.mkdir()
    scripted_keg.pour()
    scripted_server.wait_for_requests("/pour")
    scripted_keg.syslog.wait("can be used again")

    def poured_s() -> float:
        sent, begun = len(scripted_server.paths("/pour")), time.monotonic()
        scripted_keg.pour(f"0,1,1,{sent}")
        scripted_server.wait_for_requests("/pour", sent + 1)
        return time.monotonic() - begun

    # It is read again every 5 s without a watch.
    assert is_quick(poured_s, 3), "it is not watched"


def test_after_an_overflow_of_the_inotify_queue_nothing_is_missed(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start()
    scripted_server.wait_for_requests("/ping")
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    scripted_keg.signal(signal.SIGSTOP)
    temporary = scripted_keg.spool / "litter"
    for _ in range(limit // 2 + 100):  # Two events each, and two names, so that the kernel does not merge them.
        temporary.write_text("")
        temporary.rename(scripted_keg.spool / "litter2")
        (scripted_keg.spool / "litter2").rename(temporary)
    scripted_keg.pour()
    scripted_keg.signal(signal.SIGCONT)
    scripted_server.wait_for_requests("/pour")


def test_300_pours_with_ten_kills_on_the_way_all_arrive(keg: Keg, kegnet: KegnetServer) -> None:
    for number in range(300):
        keg.pour(f"0,{number},8213,1372686435017\n", f"{number}.pour")
    for _ in range(10):
        keg.start(until=None)
        time.sleep(random.uniform(0.1, 0.8))
        keg.signal(signal.SIGKILL)
        keg.wait_for_end()
        print(len(keg.waiting()), "pours wait after this kill")
    keg.start()
    wait_for(lambda: not os.listdir(keg.spool), limit_s=180)
    assert {pour["pulses"] for pour in kegnet.messages("pour", keg)} == set(range(300))
