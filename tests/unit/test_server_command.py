"""kegnet-server's command line, each test with a database of its own."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from kegnet.server.commands.main import main
from kegnet.server.storage import open_database
from kegnet.server.storage.boards import Board, board_uuid, remember_board
from kegnet.server.storage.clients import find_client, set_client
from kegnet.server.storage.feed import Change, Feed
from kegnet.server.storage.messages import VerifiedPour
from kegnet.server.storage.writer import Writer
from support.daemon import PYTHON
from support.keg import REPOSITORY
from support.pki import openssl
from support.recipe_files import BEERJSON, BEERSMITH, ENTITIES
from support.terminal import Terminal

NOBODY = 65534
CLIENT = "6c0e6c2e-6a1b-4d8e-9a35-5b0d2f5f2c11"


@contextmanager
def standard_input(text: str) -> Iterator[None]:
    """Lets the program read `text`."""
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before


class Server:
    """The command, with a database in `folder`."""

    def __init__(self, folder: Path, key: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/kegnet.sqlite"
        self.public = folder / "public.pem"
        openssl("rsa", "-in", key, "-pubout", "-out", self.public)

    def __call__(self, *words: str | Path, given: str = "") -> str:
        """What it prints on standard output; if it fails, the status and what it prints on standard error. Within this process."""
        output, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(output), redirect_stderr(errors), standard_input(given):
            try:
                status: object = main(["--database", self.url, *map(str, words)])
            except SystemExit as end:
                status = end.code
        text = errors.getvalue().replace(f"kegnet-server: database: {self.url}\n", "")
        assert status or not text, text
        return f"{status} {text}" if status else output.getvalue()

    def run(self, *words: str | Path, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the command with these words."""
        command: list[str | Path] = [PYTHON, "-B", REPOSITORY / "lib/server.py", *words]
        env = {"PATH": os.environ["PATH"], **environment}
        done = subprocess.run(command, capture_output=True, text=True, input=given, env=env, timeout=60)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def add_client(self) -> None:
        """Registers the client."""
        self("clients", "add", CLIENT, self.public, "--name", "Garage")


@pytest.fixture
def server(tmp_path: Path, key: Path) -> Server:
    return Server(tmp_path, key)


def test_clients_are_added_renamed_listed_and_removed(server: Server) -> None:
    assert server("clients", "add", CLIENT, server.public, "--name", "Garage") == f"{CLIENT}: registered as Garage\n"
    assert server("clients", "list") == f"{CLIENT}  Garage\n"
    assert server("clients", "add", CLIENT.upper(), "-", given=server.public.read_text()) == f"{CLIENT}: registered as Garage\n"
    assert server("clients", "limits", CLIENT, "--coldest", "1", "--warmest", "7.5").endswith(": coldest 1 °C  warmest 7.5 °C\n")
    assert server("clients", "limits", CLIENT, "--coldest", "none").endswith(": warmest 7.5 °C\n")
    assert server("clients", "list") == f"{CLIENT}  Garage  warmest 7.5 °C\n"
    assert "is not below the warmest" in server("clients", "limits", CLIENT, "--coldest", "8")
    assert "removed; what it sent is kept" in server("clients", "remove", CLIENT)
    assert server("clients", "list") == ""
    assert server("clients", "remove", CLIENT).startswith(f"1 kegnet-server: {CLIENT}: is not a registered client; fix: ")


def test_the_readmes_commands_put_a_full_keg_on_a_tap(server: Server) -> None:
    assert server("taps", "set", CLIENT, "17").startswith(f"1 kegnet-server: {CLIENT}: is not a registered client; fix: ")
    server.add_client()
    assert server("taps", "set", CLIENT, "17", "--name", "IPA", "--keg-litres", "19", "--fresh") == (
        f"{CLIENT}  17  IPA  5600 pulses per litre  19 litres\n"
    )
    assert server("taps", "list") == f"{CLIENT}  17  IPA  5600 pulses per litre  19 litres\n"
    assert server("kegs", "list", CLIENT, "17").endswith(" to now  -  19 of 19 litres\n")


def test_a_tap_is_changed_hidden_and_shown(server: Server) -> None:
    server.add_client()
    assert "no keg is on this tap" in server("taps", "set", CLIENT, "17", "--keg-litres", "19")
    server("taps", "set", CLIENT, "17", "--fresh", "--keg-litres", "19", "--pulses-per-litre", "5000")
    server("taps", "set", CLIENT, "17", "--keg-litres", "20.5")
    server("taps", "set", CLIENT, "17", "--fresh")
    assert server("taps", "list") == f"{CLIENT}  17  tap 17  5000 pulses per litre  20.5 litres\n"
    assert len(server("kegs", "list", CLIENT, "17").splitlines()) == 2
    assert server("taps", "hide", CLIENT, "17").endswith("  20.5 litres  hidden\n")
    assert server("taps", "list").endswith("  hidden\n")
    assert server("taps", "show", CLIENT, "17").endswith("  20.5 litres\n")
    assert server("taps", "list").endswith("  20.5 litres\n")
    assert f"{CLIENT} 4: is not a tap" in server("taps", "hide", CLIENT, "4")
    assert "needs --pulses-per-litre" in server("taps", "set", CLIENT, "17", "--since-ever")


def test_kegs_go_on_and_off_and_the_last_change_is_undone(server: Server) -> None:
    server.add_client()
    server("taps", "set", CLIENT, "17")
    assert "no beer has this name" in server("kegs", "on", CLIENT, "17", "--beer", "Stout")
    assert server("beers", "add", "Stout", "--brewery", "Home", "--abv", "4.4", "--ibu", "38") == "1  Stout  Home  4.4%  38 IBU\n"
    stout = ("--beer", "stout", "--litres", "20", "--left", "12.5", "--since", "2026-01-01T12:00")
    assert server("kegs", "on", CLIENT, "17", *stout) == "tap 17: 2026-01-01 12:00+00:00 to now  Stout  12.5 of 20 litres\n"
    server("kegs", "on", CLIENT, "17", "--litres", "50")
    kegs = server("kegs", "list", CLIENT, "17").splitlines()
    assert [re.sub(".* to (now)?.*?  ", r"\1 ", keg) for keg in kegs] == ["now -  50 of 50 litres", " Stout  12.5 of 20 litres"]
    assert server("kegs", "undo", CLIENT, "17").startswith("Undone: ")
    assert "to now  Stout" in server("kegs", "list", CLIENT, "17")
    assert re.fullmatch(r"tap 17: 2026-01-01 \S+ to 2\S+ \S+  Stout  12.5 of 20 litres\n", server("kegs", "off", CLIENT, "17"))
    assert "no keg is on tap 17" in server("kegs", "off", CLIENT, "17")
    assert server("kegs", "undo", CLIENT, "17").startswith("Undone, on again: ")
    assert "to now  Stout" in server("kegs", "list", CLIENT, "17")
    server("kegs", "off", CLIENT, "17")
    assert "is in the future" in server("kegs", "on", CLIENT, "17", "--since", "2999-01-01")
    assert "cannot be more" in server("kegs", "on", CLIENT, "17", "--litres", "5", "--left", "6")
    assert server("beers", "remove", "1") == "Stout: removed\n"
    assert server("beers", "list") == ""
    assert "no beer has this number" in server("beers", "remove", "1")


def test_notes_that_are_too_long_are_refused_and_not_cut(server: Server) -> None:
    assert server("beers", "add", "Ale", "--notes", "x" * 2001) == (
        "1 kegnet-server: --notes: these are 2001 characters; fix: give at most 2000\n"
    )
    assert server("beers", "list") == ""
    assert server("beers", "add", "Ale", "--notes", "x" * 2000) == "1  Ale\n"


def test_an_undo_of_a_keg_does_not_undo_the_removal_of_the_one_before_at_the_same_time(server: Server) -> None:
    server.add_client()
    server("taps", "set", CLIENT, "17")
    server("kegs", "on", CLIENT, "17", "--since", "2026-01-01T12:00")
    server("kegs", "off", CLIENT, "17", "--since", "2026-01-02T18:00")
    assert server("kegs", "on", CLIENT, "17", "--since", "2026-01-02T18:00") == "tap 17: 2026-01-02 18:00+00:00 to now  -\n"
    assert server("kegs", "undo", CLIENT, "17") == "Undone: 2026-01-02 18:00+00:00 to now  -\n"
    assert server("kegs", "list", CLIENT, "17") == "2026-01-01 12:00+00:00 to 2026-01-02 18:00+00:00  -\n"


def test_recipes_are_imported_and_what_is_known_can_be_skipped(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "recipes.xml"
    file.write_bytes(BEERSMITH.replace("13.5 IBUs", "bitter").encode("latin-1"))
    server("beers", "add", "Weißer Käfer", "--ibu", "12")
    skipped = server.run("--database", server.url, "beers", "import", "--skip-known", file)
    assert (skipped.returncode, skipped.stdout) == (0, "1 skipped\n")
    assert skipped.stderr.splitlines()[1:] == ["Weißer Käfer: IBU “bitter” is not a number"]
    done = server.run("--database", server.url, "beers", "import", "-", given=BEERJSON)
    assert done.stdout == "2 added\n"
    file.write_text(BEERSMITH)
    assert server("beers", "import", file) == "1 updated\n"
    assert "1  Weißer Käfer  Brauhaus Grün  Weissbier  5.3%  13.5 IBU  4.72 SRM\n" in server("beers", "list")
    assert server("beers", "import", file) == "1 skipped\n"


def test_a_file_that_is_no_recipe_is_one_line(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "bomb.xml"
    file.write_text(ENTITIES)
    for name, problem in ((file, "the file declares entities"), (tmp_path / "none.xml", "No such file"), (tmp_path, "Is a directory")):
        answer = server("beers", "import", name)
        assert answer.startswith("1 kegnet-server: ")
        assert problem in answer
        assert answer.count("\n") == 1
    assert server("beers", "list") == ""


def add_pour(server: Server) -> None:
    """A pour of half a litre at tap 17, in 2001."""
    database = open_database(server.url)
    with database.reading() as connection:
        client = find_client(connection, CLIENT)
    assert client is not None
    pour = VerifiedPour(client.key, 10**12, b"1" * 32, False, 17, 2800, 7000, 10**12, 10**12)

    async def keep() -> None:
        writer = Writer(database)
        writer.start()
        await writer.keep(pour)
        await writer.stop()

    asyncio.run(keep())
    database.close()


def test_times_are_those_of_the_household(server: Server) -> None:
    server("clients", "add", CLIENT, server.public)
    server("taps", "set", CLIENT, "17")
    server("settings", "--time-zone", "Asia/Kathmandu")
    server("kegs", "on", CLIENT, "17", "--litres", "19", "--since", "2026-01-01T10:00")
    assert server("kegs", "list", CLIENT, "17").startswith("2026-01-01 10:00+05:45 to now")
    server("settings", "--time-zone", "UTC")
    assert server("kegs", "list", CLIENT, "17").startswith("2026-01-01 04:15+00:00 to now")
    server("kegs", "off", CLIENT, "17", "--since", "2026-01-02T10:00+05:00")
    assert "to 2026-01-02 05:00+00:00  " in server("kegs", "list", CLIENT, "17")


@pytest.mark.parametrize(("since", "problem"), [
    ("1950-01-01", "1950-01-01 00:00: is before 1970"),
    ("0001-01-01", "0001-01-01 00:00: is before 1970"),
    ("1970-01-01T00:30+01:00", "1970-01-01 00:30+01:00: is before 1970"),
    ("9999-12-31T23:59", "9999-12-31 23:59: is in the future"),
])  # fmt: skip
def test_a_keg_is_on_since_a_time_between_1970_and_now(server: Server, since: str, problem: str) -> None:
    server("clients", "add", CLIENT, server.public)
    server("taps", "set", CLIENT, "17")
    server("kegs", "on", CLIENT, "17")
    for word in ("on", "off"):
        assert server("kegs", word, CLIENT, "17", "--since", since) == f"1 kegnet-server: --since {problem}; fix: give a time in the past\n"


@pytest.mark.parametrize("words", [
    ("beers", "add", "IPA", "--notes"),
    ("beers", "add"),
    ("boards", "accept"),
    ("boards", "remove"),
    ("kegs", "on", CLIENT, "17", "--beer"),
    ("settings", "--public-url"),
    ("settings", "--time-zone"),
    ("settings", "--title"),
    ("clients", "add", CLIENT, "-", "--name"),
])  # fmt: skip
def test_a_text_that_is_not_utf_8_is_refused_in_one_line(server: Server, words: tuple[str, ...]) -> None:
    server("clients", "add", CLIENT, server.public)
    server("taps", "set", CLIENT, "17")
    last = server.run("--database", server.url, *words, os.fsdecode(b"https://a\xff")).stderr.splitlines()[-1]
    assert re.search(r"error: argument .*: (is not a text in UTF-8|a name has 1 to 80|.*is not a time zone)", last), last


def test_a_full_keg_stays_full_when_its_size_is_corrected(server: Server) -> None:
    server.add_client()
    server("taps", "set", CLIENT, "17", "--fresh", "--keg-litres", "19")
    for litres in ("30", "19"):
        server("taps", "set", CLIENT, "17", "--keg-litres", litres)
        assert server("kegs", "list", CLIENT, "17").endswith(f"  {litres} of {litres} litres\n")


def test_a_keg_cannot_be_smaller_than_what_it_contained(server: Server) -> None:
    server.add_client()
    server("taps", "set", CLIENT, "17")
    server("kegs", "on", CLIENT, "17", "--litres", "50", "--left", "20")
    server("taps", "set", CLIENT, "17", "--keg-litres", "30")
    assert server("taps", "set", CLIENT, "17", "--keg-litres", "19").startswith(
        "1 kegnet-server: --keg-litres 19: is less than the 20 litres that the keg contained when it was put on; fix: "
    )
    assert server("kegs", "list", CLIENT, "17").endswith("  20 of 30 litres\n")


def test_pulses_per_litre_count_from_now_on_or_since_ever(server: Server) -> None:
    server.add_client()
    add_pour(server)
    server("taps", "set", CLIENT, "17", "--pulses-per-litre", "2800")
    assert server("pours", "list").endswith("  0.500 litres\n")
    server("taps", "set", CLIENT, "17", "--pulses-per-litre", "1400", "--since-ever")
    assert server("pours", "list").endswith("  2.000 litres\n")
    assert "  1400 pulses per litre" in server("taps", "list")


def test_open_pages_follow_a_command(server: Server) -> None:
    server.add_client()
    server("taps", "set", CLIENT, "17")
    database = open_database(server.url)

    async def change() -> Change:
        feed = Feed(database)
        listening = asyncio.create_task(feed.run())
        async with feed.subscribe() as subscription:
            # The first change can be that the feed listens.
            found = Change(frozenset(), frozenset())
            while found.kinds != {"tap"}:
                await asyncio.to_thread(server.run, "--database", server.url, "taps", "hide", CLIENT, "17")
                found = await asyncio.wait_for(subscription.next(), 30)
        listening.cancel()
        return found

    assert asyncio.run(change()).clients == {CLIENT}
    database.close()


def test_pours_are_listed_corrected_and_put_right_again(server: Server) -> None:
    server.add_client()
    server("taps", "set", CLIENT, "18")
    add_pour(server)
    (line,) = server("pours", "list").splitlines()
    assert re.fullmatch(r"1  2001-09-0\d .*  Garage, tap 17  0\.500 litres", line)
    assert server("pours", "correct", "1", "--volume", "0.4").endswith("  tap 17  0.400 litres  (corrected)\n")
    assert server("pours", "correct", "1", "--spill").endswith("  0.400 litres  (spilled, corrected)\n")
    assert server("pours", "correct", "1", "--move", CLIENT, "18").endswith("  tap 18  0.400 litres  (spilled, corrected)\n")
    assert "deleted" in server("pours", "correct", "1", "--delete")
    assert "deleted" not in server("pours", "undo", "1")
    assert server("pours", "undo", "1").endswith("  tap 17  0.400 litres  (spilled, corrected)\n")
    server("pours", "undo", "1")
    server("pours", "undo", "1")
    assert server("pours", "list", CLIENT, "--limit", "1") == line + "\n"
    assert "pour 1 has no correction" in server("pours", "undo", "1")
    assert f"{CLIENT} 4: is not a tap" in server("pours", "correct", "1", "--move", CLIENT, "4")
    assert "--move x: is not a UUID" in server("pours", "correct", "1", "--move", "x", "4")


def test_a_backup_brings_everything_back(server: Server) -> None:
    server.add_client()
    backup = server.folder / "backup"
    assert server("backup", backup) == f"{backup}: {backup.stat().st_size} bytes\n"
    assert backup.stat().st_mode & 0o777 == 0o600
    assert "exists already" in server("backup", backup)
    server("clients", "remove", CLIENT)
    assert server("restore", backup).startswith(f"restored from {backup}; the database before is in {server.folder}/kegnet.sqlite")
    assert server("clients", "list") == f"{CLIENT}  Garage\n"
    none = server.folder / "none"
    for command in ("restore", "import"):
        assert server(command, none) == f"1 kegnet-server: {none}: No such file or directory; fix: check the name of the file\n"
    none.write_text("x")
    assert server("restore", none) == (
        f"1 kegnet-server: {none}: this is no complete backup; fix: name another file that kegnet-server backup made\n"
    )
    assert sorted(path.name for path in server.folder.iterdir() if path.name.startswith(("backup-", "restore-"))) == []


def test_an_export_fills_another_database(server: Server, key: Path) -> None:
    server.add_client()
    add_pour(server)
    exported = server("export")
    assert server("export", server.folder / "all.jsonl") == ""
    assert (server.folder / "all.jsonl").read_text() == exported
    (server.folder / "other").mkdir()
    other = Server(server.folder / "other", key)
    assert "client: 1\n" in other("import", given=exported)
    assert other("pours", "list") == server("pours", "list")
    assert "the database is not empty" in other("import", server.folder / "all.jsonl")


def test_an_import_reports_that_the_readers_need_a_new_password(server: Server, key: Path) -> None:
    (server.folder / "other").mkdir()
    other = Server(server.folder / "other", key)
    server("password", given="open sesame\n")
    server("settings", "--reading", "password", given="guests welcome\n")
    last = other("import", given=server("export")).splitlines()[-1]
    assert last == (
        "Only the administrator can read, because the readers' password is not exported; fix: kegnet-server settings --reading password"
    )
    other("password", given="open sesame\n")
    assert "reading: with a password\n" in other("settings")
    assert "reading: with a password\n" in other("settings", "--reading", "password", given="guests welcome\n")
    assert "reading: everybody\n" in other("settings", "--reading", "everybody")
    assert "Only the administrator" not in Server(new_folder(server), key)("import", given=other("export"))


def new_folder(server: Server) -> Path:
    folder = server.folder / "third"
    folder.mkdir()
    return folder


def test_boards_are_listed_accepted_and_removed(server: Server) -> None:
    database = open_database(server.url)
    with database.writing() as connection:
        for device in ("bar-1", "bar-2"):
            remember_board(connection, Board(device, "10.0.0.9", 1, 1))
    database.close()
    assert server("boards", "list") == "bar-1  asks to be accepted, from 10.0.0.9\nbar-2  asks to be accepted, from 10.0.0.9\n"
    uuid = server("boards", "accept", "bar-1").removesuffix(": accepted as bar-1\n")
    assert server("boards", "remove", "bar-2").startswith("bar-2: declined")
    assert server("boards", "list") == f"bar-2  declined, from 10.0.0.9\n{uuid}  accepted as bar-1\n"
    assert server("clients", "list") == f"{uuid}  bar-1  kegboard\n"
    assert server("boards", "remove", uuid) == f"{uuid}: removed; what it sent is kept\n"
    assert "no board of this name asks" in server("boards", "accept", "bar-3")
    assert "is not a registered client" in server("boards", "remove", "bar-3")


def test_a_board_is_named_by_its_name_or_its_uuid(server: Server) -> None:
    database = open_database(server.url)
    uuids = {device: board_uuid(device) for device in ("bar-1", "bar-2", "bar-3", "bar-4")}
    with database.writing() as connection:
        for device in uuids:
            remember_board(connection, Board(device, "10.0.0.9", 1, 1))
    assert server("boards", "accept", uuids["bar-1"].upper()) == f"{uuids['bar-1']}: accepted as bar-1\n"
    assert server("boards", "remove", uuids["bar-2"]) == "bar-2: declined; kegnet-server boards accept accepts it later\n"
    for device in ("bar-2", "bar-3", "bar-4"):
        assert server("boards", "accept", device).endswith(f": accepted as {device}\n")
    with database.writing() as connection:
        for device in ("bar-2", "bar-3", "bar-4"):
            set_client(connection, uuids[device], now_ms=1, name="Cellar")
    assert "Cellar: is the name of 3 boards" in server("boards", "remove", "Cellar")
    for name, device in (("bar-1", "bar-1"), ("bar-2", "bar-2"), (uuids["bar-3"], "bar-3"), ("Cellar", "bar-4")):
        assert server("boards", "remove", name) == f"{uuids[device]}: removed; what it sent is kept\n"
    assert server("boards", "list") == ""
    database.close()


def test_the_settings_are_printed_and_changed(server: Server) -> None:
    first = server("settings").splitlines()
    assert first.pop(3).startswith("time zone: ")
    assert first == [
        "title: KegNet", "a glass: 330 ml", "units: °C, l", "the day begins at: 0:00", "single temperatures are kept for: ever",
        "reading: everybody", "address for phones: none", "wall's link: none",
    ]  # fmt: skip
    text = (
        "title: Bar\na glass: 500 ml\nunits: °F, fl oz\ntime zone: Europe/Berlin\nthe day begins at: 4:00\n"
        "single temperatures are kept for: 30 days\nreading: everybody\naddress for phones: none\nwall's link: none\n"
    )
    shared = ("--title", "Bar", "--glass", "500", "--temperature", "F", "--volume", "oz")
    assert server("settings", *shared, "--time-zone", "Europe/Berlin", "--day-begins", "4", "--keep-temperatures", "30") == text
    assert server("settings") == text
    assert "kept for: ever\n" in server("settings", "--keep-temperatures", "all")
    assert "Atlantis: is not a time zone" in server("settings", "--time-zone", "Atlantis")


def test_reading_can_need_a_password_and_the_wall_a_link(server: Server) -> None:
    assert "no administrator's password yet; fix: " in server("settings", "--reading", "password", given="guests welcome\n")
    server("password", given="open sesame\n")
    assert "the password is too short" in server("settings", "--reading", "password", "--title", "Bar", given="x\n")
    assert "title: KegNet\n" in server("settings"), "all or nothing"
    assert "the administrator's password: readers could" in server("settings", "--reading", "password", given="open sesame\n")
    assert "reading: everybody\n" in server("settings")
    assert "reading: with a password\n" in server("settings", "--reading", "password", given="guests welcome\n")
    assert "this is the password of the readers" in server("password", given="guests welcome\n")
    link = server("settings", "--wall-link", "new").splitlines()[-1]
    assert link.startswith("wall's link: /tv?token=")
    assert server("settings").splitlines()[-1] == link
    assert server("settings", "--wall-link", "new").splitlines()[-1] != link
    assert server("settings", "--wall-link", "none", "--reading", "everybody").endswith(
        "reading: everybody\naddress for phones: none\nwall's link: none\n"
    )
    url = "https://kegs.example.org/"
    assert f"address for phones: {url}\n" in server("settings", "--public-url", url)
    assert server("settings", "--public-url", "kegs").startswith("1 kegnet-server: kegs: this is not an address of a web page; fix: ")
    assert "address for phones: none\n" in server("settings", "--public-url", "none")


def test_the_password_is_asked_for_and_not_too_short(server: Server) -> None:
    assert server("password", given="open sesame\n") == "The password is set.\n"
    assert server("password", given="open\n").startswith("1 kegnet-server: the password is too short; fix: ")


@pytest.mark.parametrize(
    ("again", "printed"), [("open sesame\n", "The password is set."), ("0pen sesame\n", "two different passwords; fix: ")]
)
def test_at_a_terminal_a_password_is_typed_twice_and_not_shown(server: Server, again: str, printed: str) -> None:
    terminal = Terminal([PYTHON, "-B", REPOSITORY / "lib/server.py", "--database", server.url, "password"], {})
    terminal.wait_for("New password: ")
    terminal.type("open sesame\n")
    terminal.wait_for("The same again: ")
    terminal.type(again)
    terminal.end()
    assert printed in terminal.screen.text
    assert "sesame" not in terminal.screen.text
    terminal.close()


@pytest.mark.parametrize("words", [("password",), ("settings", "--reading", "password")])
@pytest.mark.parametrize("first", ["", "open sesame\n"])
def test_ctrl_d_at_the_prompt_for_a_password_is_one_line(server: Server, words: tuple[str, ...], first: str) -> None:
    terminal = Terminal([PYTHON, "-B", REPOSITORY / "lib/server.py", "--database", server.url, *words], {})
    terminal.wait_for("New password")
    if first:
        terminal.type(first)
        terminal.wait_for("The same again: ")
    terminal.type("\x04")
    status = terminal.end()
    assert "Traceback" not in terminal.raw
    assert terminal.screen.text.rstrip().splitlines()[-1] == "kegnet-server: no password was typed; fix: type one, and Enter"
    assert status == 1
    terminal.close()


@pytest.fixture
def of_the_service() -> Iterator[Path]:
    """A folder that belongs to another user than root, which runs the test."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def test_a_file_that_the_owner_of_the_folder_may_not_write_is_named(server: Server, of_the_service: Path) -> None:
    path = of_the_service / "kegnet.sqlite"
    path.touch(0o600)
    done = server.run("--database", f"sqlite:///{path}", "clients", "list")
    assert done.returncode == os.EX_CONFIG
    assert f"sqlite:///{path}: no permission to write; fix: " in done.stderr


def test_a_command_of_root_has_the_home_directory_of_the_user_that_it_becomes(of_the_service: Path) -> None:
    url = f"sqlite:///{of_the_service}/kegnet.sqlite"
    program = f"import os; from kegnet.server.commands import account; account.become_owner({url!r}); print(os.environ['HOME'])"
    env = {**os.environ, "HOME": "/root", "PYTHONPATH": "lib"}
    done = subprocess.run([PYTHON, "-B", "-c", program], env=env, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout.strip() == pwd.getpwuid(NOBODY).pw_dir


def test_ctrl_c_while_it_starts_is_one_line(tmp_path: Path) -> None:
    # As on a slow computer: this module takes a minute.
    (tmp_path / "sqlalchemy.py").write_text("import time; print('imports', flush=True); time.sleep(60)")
    # The tests can run in the background of a shell, which ignores SIGINT for them.
    command: list[str | Path] = ["env", "--default-signal=INT", PYTHON, "-B", REPOSITORY / "lib/server.py", "--help"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "imports\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "kegnet-server: interrupted\n")


def test_mistakes_get_one_line_with_a_fix(server: Server, key: Path) -> None:
    folder = server.folder
    (folder / "none.pem").write_text("nonsense")
    openssl("genrsa", "-out", folder / "small.key", "1024")
    openssl("rsa", "-in", folder / "small.key", "-pubout", "-out", folder / "small.pem")
    for words, problem in (
        (("clients", "add", CLIENT, folder / "missing.pem"), "cannot be read (No such file or directory)"),
        (("clients", "add", CLIENT, folder / "none.pem"), "it is not an RSA public key in PEM form"),
        (("clients", "add", CLIENT, folder / "small.pem"), "it has 1024 bits"),
        (("clients", "add", CLIENT, key), "it is a private key, which stays on its host"),
        (("pours", "undo", "7"), "7: no pour has this number"),
    ):
        output = server(*words)
        assert output.startswith("1 kegnet-server: ")
        assert problem in output
        assert "; fix: " in output
        assert output.count("\n") == 1
    assert server("clients", "list") == ""


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("clients", "add", "mine", "key.pem"), "mine: is not a UUID"),
        (("clients", "add", CLIENT, "key.pem", "--name", "a\nb"), "a name has 1 to 80 printable characters"),
        (("clients", "add", CLIENT, "key.pem", "--name", "x" * 81), "a name has 1 to 80 printable characters"),
        (("taps", "set", CLIENT, "1001"), "1001: is not a whole number from 0 to 1000"),
        (("taps", "set", CLIENT, "17", "--pulses-per-litre", "0"), "0: is not a whole number from 1 to 1e+06"),
        (("taps", "set", CLIENT, "17", "--keg-litres", "nan"), "nan: is not a number from 0 to 10000"),
        (("kegs", "on", CLIENT, "17", "--since", "yesterday"), "yesterday: is not a time"),
        (("pours", "correct", "1"), "one of the arguments --spill --delete --move --volume is required"),
    ],
)
def test_a_wrong_command_line_is_explained(server: Server, words: tuple[str, ...], problem: str) -> None:
    output = server(*words)
    assert output.startswith("2 ")
    assert problem in output


def test_the_database_that_is_used_is_named_without_its_password(server: Server) -> None:
    (server.folder / "server.conf").write_text("[Server]\ndatabase = postgresql://kegnet:secret@127.0.0.1:1/kegnet\n")
    done = server.run("--config", server.folder / "server.conf", "clients", "list")
    # Without python3-psycopg2 it is 78, and the fix is to install that.
    assert done.returncode in (75, 78)
    assert "postgresql://kegnet:***@127.0.0.1:1/kegnet" in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_configuration_names_the_database(server: Server) -> None:
    config = server.folder / "server.conf"
    config.write_text(f"[Server]\nlisten = 127.0.0.1:80\ndatabase = {server.url}\nlissten = 1\n")
    server.add_client()
    done = server.run("--config", config, "clients", "list")
    assert done.stdout == f"{CLIENT}  Garage\n"
    assert done.stderr == (
        f"kegnet-server: warning: {config}: the parameter lissten is unknown and ignored; is it misspelt?\n"
        f"kegnet-server: database: {server.url}\n"
    )


def test_the_database_can_be_named_in_the_environment(server: Server) -> None:
    server.add_client()
    assert server.run("clients", "list", KEGNET_DATABASE=server.url).stdout == f"{CLIENT}  Garage\n"


def test_a_wrong_configuration_ends_with_status_78(server: Server) -> None:
    (server.folder / "server.conf").write_text("[Server]\nlisten = localhost:port\n")
    for words in (("serve",), ("clients", "list")):
        done = server.run("--config", server.folder / "server.conf", *words)
        assert done.returncode == 78
        assert done.stderr.startswith(f"kegnet-server: {server.folder}/server.conf: listen = localhost:port: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--listen", "localhost:port"), "--listen = localhost:port: "),
        (("--mqtt", "mqtt://broker:99999"), "--mqtt = mqtt://broker:99999: "),
        (("--mqtt", "mqtt://u:secret@broker"), "--mqtt: a password on the command line can be read by every user"),
        (("--certificate", "missing.pem", "--key", "missing.key"), "cannot be read (No such file or directory)"),
        (("--key", "tls.key"), "there is no certificate"),
    ],
)
def test_what_only_a_person_can_change_ends_the_server_with_status_78(server: Server, words: tuple[str, ...], problem: str) -> None:
    output = server("serve", "--listen", "127.0.0.1:0", *words)
    assert output.startswith("78 kegnet-server: ")
    assert problem in output
    assert "secret" not in output
    assert output.count("\n") == 1


def test_check_reports_each_problem_with_its_fix(server: Server) -> None:
    output = server.run("--database", server.url, "check").stdout
    assert re.search(r"^warning  clients: none is registered; fix: ", output, re.MULTILINE)
    assert re.search(r"^warning  password: there is none", output, re.MULTILINE)
    assert re.search(r"^failure  port: no answer at 127.0.0.1:8080 ", output, re.MULTILINE)
    assert re.search(rf"^ok       database: {server.url}, revision \d+$", output, re.MULTILINE)
    assert [line for line in output.splitlines() if not line.startswith("ok ") and "; fix: " not in line] == []


def test_check_prints_json_and_ends_with_1_after_a_failure(server: Server) -> None:
    (server.folder / "server.conf").write_text("[Server]\nlisten = 1\n")
    done = server.run("--config", server.folder / "server.conf", "check", "--json")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert not result["ok"]
    assert [(finding["what"], finding["level"]) for finding in result["findings"]] == [("configuration", "failure")]


def test_without_its_modules_the_command_names_the_package_to_install(server: Server, tmp_path: Path) -> None:
    (tmp_path / "modules/sqlalchemy").mkdir(parents=True)
    (tmp_path / "modules/sqlalchemy/__init__.py").write_text("raise ModuleNotFoundError(name='sqlalchemy')")
    done = server.run("clients", "list", PYTHONPATH=str(tmp_path / "modules"))
    assert done.returncode == 1
    assert done.stderr == "kegnet-server: the Python module sqlalchemy is missing; fix: sudo apt install python3-sqlalchemy\n"


def test_the_command_runs_by_debians_python_whatever_comes_first_in_the_path(tmp_path: Path) -> None:
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\nexit 9\n")
    other.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert subprocess.run(["python3"], env={"PATH": path}, timeout=60).returncode == 9
    done = subprocess.run([REPOSITORY / "lib/server.py", "--version"], env={"PATH": path}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_help_does_not_print_the_password_of_the_database(server: Server) -> None:
    done = server.run("--help", KEGNET_DATABASE="postgresql://kegnet:open-sesame@localhost/kegnet")
    assert done.returncode == 0
    assert "open-sesame" not in done.stdout + done.stderr


def test_a_reader_who_has_seen_enough_gets_no_complaint(server: Server) -> None:
    command = f"{PYTHON} -B {REPOSITORY}/lib/server.py --database {server.url} check | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    assert done.stdout != ""
    assert done.stderr in ("", f"kegnet-server: database: {server.url}\n")
