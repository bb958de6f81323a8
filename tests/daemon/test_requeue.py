"""--requeue: what was set aside goes back into the line, and nothing is lost on the way."""

from __future__ import annotations

import os
from pathlib import Path

from kegnet.messages import Pour
from kegnet.set_aside import SetAside, find
from support.keg import Keg
from support.moody import Moody, answers
from support.wait import wait_for

FIRST, SECOND = "0,586,8213,1372686435017\n", "1,12,345,1372686499999\n"


def test_refused_pours_go_out_again_while_the_client_runs(moody_keg: Keg, moody: Moody) -> None:
    moody.mood = answers(403)
    moody_keg.start()
    moody_keg.pour(FIRST, "a.pour")
    moody_keg.pour(SECOND, "b.pour")
    wait_for(lambda: moody_keg.failed() == ["a.pour.fail", "b.pour.fail"])
    moody.mood = answers(200)
    done = moody_keg.by_hand("--requeue")
    assert done.returncode == 0, done.stderr
    assert "a.pour.fail: pin 0, 586 pulses in 8213, at 1372686435017; " in done.stdout
    assert "a.pour waits: it is sent again\n" in done.stdout
    wait_for(lambda: len(moody.paths("/pour")) == 4)
    wait_for(lambda: moody_keg.waiting() == [] == moody_keg.failed())
    sent = [request.fields for request in moody.paths("/pour")]
    assert sorted(sent[2:], key=lambda fields: fields["pin"]) == sorted(sent[:2], key=lambda fields: fields["pin"]), "to the letter"


def test_only_those_named_go_back(keg: Keg) -> None:
    keg.write_config()
    for name in ("a", "b", "c"):
        (keg.spool / f"{name}.pour.fail").write_text(FIRST)
    assert keg.by_hand("--requeue", "a.pour.fail", keg.spool / "b.pour.fail").returncode == 0
    assert (keg.waiting(), keg.failed()) == (["a.pour", "b.pour"], ["c.pour.fail"])


def test_a_name_that_is_not_set_aside_is_named_and_the_others_go_back(keg: Keg) -> None:
    keg.write_config()
    (keg.spool / "a.pour.fail").write_text(FIRST)
    (keg.folder / "x.pour.fail").write_text(FIRST)
    done = keg.by_hand("--requeue", "a.pour.fail", "../x.pour.fail", "y.pour.fail")
    assert done.returncode == 1
    assert f"../x.pour.fail: is not set aside in {keg.spool}; name a file there" in done.stderr
    assert f"y.pour.fail: is not set aside in {keg.spool}; name a file there" in done.stderr
    assert keg.waiting() == ["a.pour"]
    assert (keg.folder / "x.pour.fail").exists()


def test_a_pour_that_waits_under_the_name_stays_and_the_other_takes_another_name(keg: Keg) -> None:
    keg.write_config()
    (keg.spool / "a.pour").write_text(FIRST)
    (keg.spool / "a.pour.fail").write_text(SECOND)
    assert keg.by_hand("--requeue").returncode == 0
    assert {name: (keg.spool / name).read_text() for name in keg.waiting()} == {"a.pour": FIRST, "a.2.pour": SECOND}
    assert keg.failed() == []


def test_what_is_no_file_is_left_where_it_is(keg: Keg) -> None:
    keg.write_config()
    os.mkfifo(keg.spool / "a.pour.fail")
    (keg.spool / "b.pour.fail").symlink_to(keg.key)
    (keg.spool / "c.pour.fail").mkdir()
    done = keg.by_hand("--requeue")
    assert done.returncode == 1
    assert done.stderr.count("is left where it is: it is ") == 3
    assert "PRIVATE" not in done.stdout
    assert (keg.waiting(), keg.failed()) == ([], ["a.pour.fail", "b.pour.fail", "c.pour.fail"])


def test_what_is_no_pour_goes_back_and_says_so(keg: Keg) -> None:
    keg.write_config()
    (keg.spool / "a.pour.fail").write_text("")
    done = keg.by_hand("--requeue")
    assert done.stdout.splitlines() == ["a.pour.fail: it is empty", "a.pour waits: it is no pour as it is, and will be set aside again"]


def test_where_nothing_is_set_aside_it_says_so(keg: Keg) -> None:
    keg.write_config()
    done = keg.by_hand("--requeue")
    assert (done.returncode, done.stdout) == (0, f"no pours are set aside in {keg.spool}\n")


def test_a_spool_that_is_not_there_is_one_line(keg: Keg) -> None:
    keg.write_config(spool="nowhere")
    done = keg.by_hand("--requeue")
    assert done.returncode == 1
    assert done.stderr.startswith(f"kegnet-client: {keg.config.parent}/nowhere: cannot be read (No such file or directory); ")
    assert len(done.stderr.splitlines()) == 1


def test_the_reason_is_the_latest_that_the_log_gives(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    for name in ("a", "b", "e\n", "with a blank"):
        (spool / f"{name}.pour.fail").write_text(FIRST)
    said = "{0}.pour is set aside as {0}.pour.fail: the server refused it ({1}); renamed back, it is sent again\n"
    line = "2026-11-24T11:00:00+00:00 keg kegnet-client[7]: " + said
    (tmp_path / "user.log.1").write_text(line.format("a", "403 Forbidden") + line.format("b", "404 Not Found"))
    (tmp_path / "user.log").write_text(
        "other\n" + line.format("a", "400 Bad Request: ; ha") + line.format("e\\n", "410 Gone") + line.format("with a blank", "418 x")
    )
    pour = Pour(0, 586, 8213, 1372686435017)
    assert find(spool, (tmp_path / "user.log", tmp_path / "user.log.1", tmp_path / "missing")) == [
        SetAside("a.pour.fail", pour, "the server refused it (400 Bad Request: ; ha)"),
        SetAside("b.pour.fail", pour, "the server refused it (404 Not Found)"),
        SetAside("e\n.pour.fail", pour, "the server refused it (410 Gone)"),
        SetAside("with a blank.pour.fail", pour, "the server refused it (418 x)"),
    ]
