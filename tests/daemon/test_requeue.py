"""--requeue: what was set aside is queued again, and nothing is lost on the way."""

from __future__ import annotations

import os
import re

import pytest
from support.keg import Keg
from support.scripted_server import ScriptedServer, answers
from support.wait import wait_for

FIRST, SECOND = "0,586,8213,1372686435017\n", "1,12,345,1372686499999\n"


def test_rejected_pours_are_sent_again_while_the_client_runs(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_server.pour_answer = answers(400)
    scripted_keg.start()
    scripted_keg.pour(FIRST, "a.pour")
    scripted_keg.pour(SECOND, "b.pour")
    wait_for(lambda: scripted_keg.failed() == ["a.pour.fail", "b.pour.fail"])
    scripted_server.pour_answer = answers(200)
    done = scripted_keg.run_mode("--requeue")
    assert done.returncode == 0, done.stderr
    assert "a.pour.fail: pin 0, 586 pulses, et 8213, ts 1372686435017; " in done.stdout
    assert "a.pour is queued again\n" in done.stdout
    wait_for(lambda: len(scripted_server.paths("/pour")) == 4)
    wait_for(lambda: scripted_keg.waiting() == [] == scripted_keg.failed())
    sent = [request.fields for request in scripted_server.paths("/pour")]
    assert sorted(sent[2:], key=lambda fields: fields["pin"]) == sorted(sent[:2], key=lambda fields: fields["pin"]), "to the letter"


def test_the_log_names_the_file_as_it_is_called_then(scripted_keg: Keg, scripted_server: ScriptedServer) -> None:
    scripted_keg.start()
    for body in (b"bad pulses", b"unknown pin"):
        scripted_server.pour_answer = answers(400, body)
        scripted_keg.pour(FIRST, "a.pour")
        wait_for(lambda: scripted_keg.waiting() == [])
    scripted_keg.syslog.wait(r"a\.pour is set aside as a\.pour\.fail: .*bad pulses")
    scripted_keg.syslog.wait(r"a\.pour is set aside as a\.2\.pour\.fail: .*unknown pin")


def test_only_those_named_are_queued_again(keg: Keg) -> None:
    keg.write_config()
    for name in ("a", "b", "c"):
        (keg.spool / f"{name}.pour.fail").write_text(FIRST)
    assert keg.run_mode("--requeue", "a.pour.fail", keg.spool / "b.pour.fail").returncode == 0
    assert (keg.waiting(), keg.failed()) == (["a.pour", "b.pour"], ["c.pour.fail"])


def test_a_name_that_is_not_set_aside_is_reported_and_the_others_are_queued_again(keg: Keg) -> None:
    keg.write_config()
    (keg.spool / "a.pour.fail").write_text(FIRST)
    (keg.folder / "x.pour.fail").write_text(FIRST)
    done = keg.run_mode("--requeue", "a.pour.fail", "../x.pour.fail", "y.pour.fail", "y.\n.fail")
    assert done.returncode == 1
    assert f"../x.pour.fail: is not set aside in {keg.spool}; name a file there" in done.stderr
    assert f"y.pour.fail: is not set aside in {keg.spool}; name a file there" in done.stderr
    assert len(done.stderr.splitlines()) == 3
    assert keg.waiting() == ["a.pour"]
    assert (keg.folder / "x.pour.fail").exists()


def test_a_pour_that_waits_under_the_name_stays_and_the_other_gets_another_name(keg: Keg) -> None:
    keg.write_config()
    (keg.spool / "a.pour").write_text(FIRST)
    (keg.spool / "a.pour.fail").write_text(SECOND)
    assert keg.run_mode("--requeue").returncode == 0
    assert {name: (keg.spool / name).read_text() for name in keg.waiting()} == {"a.pour": FIRST, "a.2.pour": SECOND}
    assert keg.failed() == []


def add_what_is_no_file(keg: Keg) -> list[str]:
    os.mkfifo(keg.spool / "a.pour.fail")
    (keg.spool / "b.pour.fail").symlink_to(keg.key)
    (keg.spool / "c.pour.fail").mkdir()
    return keg.failed()


@pytest.mark.parametrize("with_pour", [False, True])
def test_what_is_no_file_is_ignored(keg: Keg, with_pour: bool) -> None:
    keg.write_config()
    ignored = add_what_is_no_file(keg)
    if with_pour:
        (keg.spool / "d.pour.fail").write_text(FIRST)
    done = keg.run_mode("--requeue")
    assert (done.returncode, done.stderr) == (0, "")
    assert "PRIVATE" not in done.stdout
    assert (keg.waiting(), keg.failed()) == (["d.pour"] if with_pour else [], ignored)


def test_the_daemon_does_not_count_what_is_no_file(keg: Keg) -> None:
    add_what_is_no_file(keg)
    keg.start()
    started = next(line for line in keg.syslog.datagrams if "started: " in line)
    assert re.search("no pours wait$", started.rstrip()), started


def test_a_file_that_is_no_pour_is_queued_again_with_a_warning(keg: Keg) -> None:
    keg.write_config()
    (keg.spool / "a.pour.fail").write_text("")
    done = keg.run_mode("--requeue")
    assert done.stdout.splitlines() == [
        "a.pour.fail: the file is empty",
        "a.pour is queued again, but it is not a pour, and will be set aside again",
    ]


def test_with_nothing_set_aside_it_reports_that(keg: Keg) -> None:
    keg.write_config()
    done = keg.run_mode("--requeue")
    assert (done.returncode, done.stdout) == (0, f"no pours are set aside in {keg.spool}\n")


def test_a_spool_that_does_not_exist_is_one_line(keg: Keg) -> None:
    keg.write_config(spool="nowhere")
    done = keg.run_mode("--requeue")
    assert done.returncode == 1
    assert done.stderr.startswith(f"kegnet-client: {keg.config.parent}/nowhere: cannot be read (No such file or directory); ")
    assert len(done.stderr.splitlines()) == 1
