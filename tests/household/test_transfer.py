"""Export and import: everything, from any database to any other, or nothing and one clear line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from kegnet.server.model.pours import CorrectionKind
from kegnet.server.storage import StorageError, schema
from kegnet.server.storage.alarms import begin_alarm
from kegnet.server.storage.beer_pictures import Picture, set_picture
from kegnet.server.storage.beers import set_beer
from kegnet.server.storage.clients import set_limits
from kegnet.server.storage.feed import EVERYTHING, Change, Feed
from kegnet.server.storage.kegs import put_on
from kegnet.server.storage.partitions import prepare_partitions
from kegnet.server.storage.pours import correct
from kegnet.server.storage.settings import get_setting, set_household, set_setting
from kegnet.server.storage.taps import set_meter
from kegnet.server.storage.thinning import thin, thinned_before_ms
from kegnet.server.storage.transfer import NOT_EXPORTED, TABLES, export_lines, import_lines
from kegnet.server.storage.transfer_rows import LineError, checked_row, json_row
from kegnet.server.web.password import READERS_SETTING, matches
from support.pictures import png
from support.stored_history import DAY_MS, HOUR_MS, NOW, History


@pytest.fixture
def other(history: History, new_history: Callable[[str], History]) -> History:
    """An empty database of the other kind than `history`."""
    return new_history("sqlite" if history.database.postgresql else "postgresql")


@pytest.fixture(scope="module")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The export of a client with three taps: the header, the client, a line each tap, a setting, the end."""
    source = History(f"sqlite:///{tmp_path_factory.mktemp('source')}/kegnet.sqlite")
    client = source.client()
    for pin in range(3):
        source.tap(client, pin)
    lines = exported(source)
    source.close()
    assert len(lines) == 7
    return lines


def fill(history: History) -> None:
    """Something in each table."""
    client = history.client("Käller 🍺")
    history.client("Second")
    history.call(set_limits, client.key, 2000, None)
    for number in range(3):
        history.ping(client, NOW - number * HOUR_MS - 5 * DAY_MS, 4000 + number)
        history.ping(client, NOW - number, 4000 + number)
    history.call(thin, NOW - DAY_MS, 100)
    history.insert([history.verified_pour(client, number % 2, NOW + number) for number in range(1100)])
    tap = history.tap(client, 1, name="IPA", hidden=True)
    ale = history.call(set_beer, None, name="Ale", notes="two\nlines", abv_percent=4.25)
    history.call(set_picture, ale.key, Picture("image/png", NOW, png(3, 2)))
    history.call(put_on, tap.key, beer=ale.key, on_ms=NOW, volume_ml=19_000, start_ml=None)
    history.call(set_meter, tap.key, 0, 5000)
    history.call(correct, 1, CorrectionKind.MOVE, tap.key, NOW)
    history.call(begin_alarm, client.key, tap.key, "keg low", NOW)
    history.call(set_household, time_zone="Europe/Berlin", day_begins_hour=4)
    history.call(set_setting, "password hash", "secret")


def contents(history: History) -> dict[str, list[tuple[Any, ...]]]:
    return {table.name: history.rows(table) for table in TABLES}


def exported(history: History) -> list[str]:
    return list(export_lines(history.database))


def partitions(history: History) -> dict[str, int]:
    """How many pings are in each partition that has some. PostgreSQL only."""
    with history.reading() as connection:
        query = "SELECT tableoid::regclass::text, count(*) FROM ping GROUP BY 1"
        return {str(name): int(number) for name, number in connection.exec_driver_sql(query)}


def refusal(history: History, lines: list[str]) -> str:
    with pytest.raises(StorageError) as refused:
        import_lines(history.database, lines, NOW)
    assert refused.value.fix
    assert "\n" not in str(refused.value)
    assert [len(history.rows(table)) for table in TABLES if table is not schema.setting] == [0] * (len(TABLES) - 1)
    return refused.value.problem


def test_everything_is_as_before_in_the_other_database(history: History, other: History) -> None:
    fill(history)
    lines = exported(history)
    counts = import_lines(other.database, lines, NOW)
    before, after = contents(history), contents(other)
    assert {name: len(rows) for name, rows in before.items() if name != "setting"} == {
        "client": 2, "beer": 1, "picture": 1, "tap": 2, "meter": 1, "keg": 1, "pour": 1100, "correction": 1, "ping": 3, "hour": 3,
        "alarm": 1,
    }  # fmt: skip
    secret = before["setting"].pop([name for name, _ in before["setting"]].index("password hash"))
    assert secret[1] == "secret"
    assert after == before
    assert counts == {name: len(rows) for name, rows in before.items()}
    assert exported(other) == lines


def test_keys_go_on_after_the_imported_ones(history: History, other: History) -> None:
    fill(history)
    import_lines(other.database, exported(history), NOW)
    client = other.client("Third")
    assert client.key == 3
    assert other.pour(client, 0, NOW) == 1101
    assert other.tap(client, 0).key == 3


def test_a_replay_does_not_count_again_after_an_import(history: History, other: History) -> None:
    client = history.client()
    pings = [history.verified_ping(client, NOW - 9 * DAY_MS + number, 4000) for number in range(2)]
    pour = history.verified_pour(client, 0, NOW)
    history.insert([*pings, pour])
    history.call(thin, NOW - DAY_MS, 100)
    import_lines(other.database, exported(history), NOW)
    assert other.call(thinned_before_ms) == history.call(thinned_before_ms) > 0
    other.insert([*(replace(ping, received_ms=NOW) for ping in pings), pour])
    assert [len(other.rows(table)) for table in (schema.ping, schema.pour, schema.hour)] == [1, 1, 1]


def test_imported_pings_are_in_the_partitions_of_their_months(new_history: Callable[[str], History]) -> None:
    source, other = new_history("sqlite"), new_history("postgresql")
    client = source.client()
    source.insert([source.verified_ping(client, NOW - months * 31 * DAY_MS, 4000 + months) for months in (1, 2, 3)])
    import_lines(other.database, exported(source), NOW)
    assert other.rows(schema.ping) == source.rows(schema.ping)
    assert partitions(other) == {"ping_2026_08": 1, "ping_2026_09": 1, "ping_2026_10": 1}
    other.call(prepare_partitions, NOW)
    other.ping(client, NOW)
    assert partitions(other) == {"ping_2026_08": 1, "ping_2026_09": 1, "ping_2026_10": 1, "ping_2026_11": 1}


def test_a_wrong_clock_makes_no_partition_in_an_import(new_history: Callable[[str], History]) -> None:
    source, other = new_history("sqlite"), new_history("postgresql")
    client = source.client()
    year_ms = 365 * DAY_MS
    wrong = [source.verified_ping(client, NOW, 4000, ts_ms=ts_ms) for ts_ms in (-(2**63), 0, NOW - 3 * year_ms, 2**63 - 1)]
    source.insert([*wrong, *(source.verified_ping(client, at_ms, 4000) for at_ms in (0, NOW + 90 * DAY_MS, NOW + 7000 * year_ms))])
    import_lines(other.database, exported(source), NOW)
    assert other.rows(schema.ping) == source.rows(schema.ping)
    assert partitions(other) == {"ping_other": 7}


def test_the_password_is_not_exported_and_that_of_the_new_database_stays(history: History, other: History) -> None:
    fill(history)
    other.call(set_setting, "password hash", "mine")
    lines = exported(history)
    assert "secret" not in "".join(lines)
    import_lines(other.database, lines, NOW)
    with other.reading() as connection:
        assert get_setting(connection, "password hash") == "mine"
        assert get_setting(connection, "day_begins_hour") == "4"


def test_reading_stays_closed_after_an_import_though_its_password_is_not_exported(history: History, other: History) -> None:
    history.call(set_setting, READERS_SETTING, "secret")
    lines = exported(history)
    assert "secret" not in "".join(lines)
    import_lines(other.database, lines, NOW)
    with other.reading() as connection:
        stored = get_setting(connection, READERS_SETTING)
    assert stored == NOT_EXPORTED
    assert not any(matches(stored, text) for text in (stored, "secret", ""))


def test_the_readers_password_of_the_new_database_stays(history: History, other: History) -> None:
    history.call(set_setting, READERS_SETTING, "secret")
    other.call(set_setting, READERS_SETTING, "mine")
    import_lines(other.database, exported(history), NOW)
    with other.reading() as connection:
        assert get_setting(connection, READERS_SETTING) == "mine"


def test_the_first_line_names_the_format_and_the_last_one_counts(history: History) -> None:
    client = history.client()
    lines = exported(history)
    assert lines[0] == '{"format": "kegnet-server", "version": 1}\n'
    assert json.loads(lines[1]) == {
        "table": "client", "key": client.key, "uuid": client.uuid, "name": "Garage", "kind": "kegnet", "public_key": "x",
        "added_ms": NOW - 400 * DAY_MS, "removed_ms": None, "coldest": None, "warmest": None,
    }  # fmt: skip
    end = json.loads(lines[-1])
    assert end.keys() == {"end", "rows"}
    assert (end["end"], end["rows"]["client"], end["rows"]["ping"], end["rows"]["setting"]) == (True, 1, 0, len(lines) - 3)
    assert all(line.endswith("}\n") and line.count("\n") == 1 for line in lines)


def test_only_an_empty_database_takes_an_import(history: History) -> None:
    history.client()
    lines = exported(history)
    with pytest.raises(StorageError) as refused:
        import_lines(history.database, lines, NOW)
    assert refused.value.problem == "the database is not empty: there are rows in client"
    assert len(history.rows(schema.client)) == 1


def test_readers_hear_of_an_import(history: History, other: History) -> None:
    lines = exported(history)

    async def heard() -> Change:
        feed = Feed(other.database)
        task = asyncio.ensure_future(feed.run())
        async with feed.subscribe() as subscription:
            assert await asyncio.wait_for(subscription.next(), 60) == EVERYTHING, "it listens"
            await asyncio.to_thread(import_lines, other.database, lines, NOW)
            change = await asyncio.wait_for(subscription.next(), 60)
        task.cancel()
        return change

    assert asyncio.run(heard()) == EVERYTHING


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: [], "line 1: this is no export of kegnet-server"),
        (lambda lines: ["\n", *lines], "line 1: this is not JSON"),
        (lambda lines: ["[]\n"], "line 1: this is not a JSON object"),
        (lambda lines: ["[" * 100_000], "line 1: this is not JSON"),
        (lambda lines: lines[1:], "line 1: this is no export of kegnet-server"),
        (lambda lines: [lines[0].replace("1", "2"), *lines[1:]], "line 1: this program reads version 1 of the format, not 2"),
        (lambda lines: lines[:1], "line 1: the file ends here, before its last line: it is not complete"),
        (lambda lines: lines[:-1], "line 6: the file ends here, before its last line: it is not complete"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], "line 7: this is not JSON"),
        (lambda lines: [*lines, lines[1]], "line 8: nothing can follow the last line"),
        (lambda lines: [*lines[:3], '{"table": "nothing"}', *lines[3:]], "line 4: this is a row of no table"),
        (lambda lines: [*lines[:3], "{}", *lines[3:]], "line 4: this is a row of no table"),
        (lambda lines: [*lines[:3], '{"table": "refusal"}', *lines[3:]], "line 4: this is a row of no table"),
        (lambda lines: [lines[0], lines[1].replace('"uuid"', '"id"'), *lines[2:]], "line 2: client has no 'id'"),
        (lambda lines: [lines[0], lines[1].replace('"key": 1, ', ""), *lines[2:]], "line 2: client needs 'key'"),
        (lambda lines: [lines[0], lines[1].replace("1", '"1"', 1), *lines[2:]], "line 2: client: '1' is no value of 'key'"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3: this row refers to one that is missing, or is there twice"),
        (lambda lines: [lines[0], *lines[2:]], "line 2: this row refers to one that is missing, or is there twice"),
        (lambda lines: [*lines[:3], *lines[4:]], "line 6: rows are missing: this file has"),
    ],
)
def test_an_import_that_fails_names_the_line_and_changes_nothing(
    small_export: list[str], new_history: Callable[[str], History], change: Any, problem: str
) -> None:
    empty = new_history("sqlite")
    assert refusal(empty, change(small_export)).startswith(problem)
    assert import_lines(empty.database, small_export, NOW)["tap"] == 3


def test_a_row_that_is_there_twice_is_found_in_either_database(small_export: list[str], history: History) -> None:
    lines = [*small_export[:4], small_export[2], *small_export[4:]]
    assert refusal(history, lines) == "line 5: this row refers to one that is missing, or is there twice"
    assert import_lines(history.database, small_export, NOW)["tap"] == 3


def test_an_export_is_of_one_moment(history: History) -> None:
    client = history.client()
    lines = export_lines(history.database)
    first = [next(lines), next(lines)]
    history.client("later")
    history.pour(client, 0, NOW)
    counts = json.loads([*first, *lines][-1])["rows"]
    assert (counts["client"], counts["pour"]) == (1, 0)


# Values.

ROW = {
    "client": 1, "ts_ms": 2**63 - 1, "digest": "00" * 32, "ts_seconds": False, "temp": -(2**31),
    "at_ms": 253_402_300_799_999, "received_ms": 0,
}  # fmt: skip


def test_values_are_those_of_their_columns() -> None:
    assert checked_row(schema.ping, 1, ROW) == {**ROW, "digest": bytes(32)}
    hour = {"client": 1, "from_ms": 0, "mean": 3, "least": 2**31 - 1, "most": 0, "number": 1}
    assert checked_row(schema.hour, 1, hour) == hour
    assert checked_row(schema.hour, 1, {**hour, "mean": -2.5})["mean"] == -2.5
    assert checked_row(schema.setting, 1, {"name": "x" * 40, "value": ""}) == {"name": "x" * 40, "value": ""}
    assert json_row({"digest": memoryview(b"\xff\0"), "temp": 5, "name": None}) == {"digest": "ff00", "temp": 5, "name": None}


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        (schema.ping, "client", None),
        (schema.ping, "client", True),
        (schema.ping, "client", 1.0),
        (schema.ping, "client", "1"),
        (schema.ping, "temp", 2**31),
        (schema.ping, "temp", -(2**31) - 1),
        (schema.ping, "ts_ms", 2**63),
        (schema.ping, "ts_ms", -(2**63) - 1),
        (schema.ping, "at_ms", 253_402_300_800_000),
        (schema.ping, "at_ms", -1),
        (schema.hour, "number", 0),
        (schema.ping, "digest", "00" * 31),
        (schema.ping, "digest", "00" * 33),
        (schema.ping, "digest", "zz" * 32),
        (schema.ping, "digest", 5),
        (schema.ping, "ts_seconds", 0),
        (schema.ping, "ts_seconds", "false"),
        (schema.hour, "mean", float("nan")),
        (schema.hour, "mean", float("inf")),
        pytest.param(schema.hour, "mean", 10**400, id="an integer above all floats"),
        (schema.hour, "mean", "3"),
        (schema.hour, "mean", True),
        (schema.setting, "name", "x" * 41),
        (schema.setting, "name", 5),
        (schema.setting, "value", None),
        (schema.setting, "value", "a\0b"),
        (schema.setting, "value", "\ud800"),
    ],
)
def test_a_wrong_value_is_refused(table: sa.Table, column: str, value: object) -> None:
    rows: dict[str, dict[str, Any]] = {
        "ping": ROW,
        "hour": {"client": 1, "from_ms": 0, "mean": 3.0, "least": 1, "most": 0, "number": 1},
        "setting": {"name": "x", "value": "y"},
    }
    with pytest.raises(LineError) as refused:
        checked_row(table, 7, {**rows[table.name], column: value})
    assert (refused.value.line, str(refused.value)) == (7, f"{table.name}: {value!r:.60} is no value of {column!r}")


def test_only_kinds_of_corrections_are_imported() -> None:
    row = {"key": 1, "pour": 1, "kind": "move", "value": 5, "made_ms": 0, "undone_ms": None}
    assert checked_row(schema.correction, 1, row) == row
    with pytest.raises(LineError, match="correction: 'moves' is no value of 'kind'"):
        checked_row(schema.correction, 1, {**row, "kind": "moves"})


def test_settings_that_cannot_be_are_not_imported(small_export: list[str], new_history: Callable[[str], History]) -> None:
    empty = new_history("sqlite")
    before = empty.rows(schema.setting)
    for name, value, problem in (
        ("day_begins_hour", "four", "the settings cannot be imported: invalid literal"),
        ("day_begins_hour", "24", "24: a day cannot begin at that hour"),
        ("time_zone", "Mars", "Mars: this is not a time zone"),
        ("time_zone", "a\nb" * 9000, "a\\nba\\nb"),
        ("day_begins_hour", "x" * 9000, "the settings cannot be imported: invalid literal"),
    ):
        line = json.dumps({"table": "setting", "name": name, "value": value})
        end = small_export[-1].replace('"setting": 1', '"setting": 2')
        refused = refusal(empty, [*small_export[:-1], line, end])
        assert refused.startswith(problem)
        assert len(refused) < 1000
        assert empty.rows(schema.setting) == before


def test_missing_and_unknown_columns_are_named() -> None:
    with pytest.raises(LineError, match="setting needs 'name', 'value'"):
        checked_row(schema.setting, 7, {})
    with pytest.raises(LineError, match="setting has no 'a', 'b'"):
        checked_row(schema.setting, 7, {"b": 1, "a": 1, "name": "x", "value": "y"})


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])))
def test_every_text_stays_as_it_is(text: str) -> None:
    row = {"name": "x", "value": text}
    assert checked_row(schema.setting, 1, json.loads(json.dumps(json_row(row), ensure_ascii=False))) == row
