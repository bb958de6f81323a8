"""The library of beers in both databases: kegs of each, pictures, removal, and the import of recipes."""

from __future__ import annotations

import pytest
from kegnet.server.beer_import import Choice, Imported, carry_out, plan
from kegnet.server.recipes import Recipe
from kegnet.server.storage import schema
from kegnet.server.storage.beer_pictures import Picture, find_picture, remove_picture, set_picture
from kegnet.server.storage.beers import beers, find_any_beer, find_beer, remove_beer, restore_beer, set_beer
from kegnet.server.storage.clients import remove_client
from kegnet.server.storage.kegs import kegs_on, put_on, take_off, undo_keg
from kegnet.server.storage.library import Place, kegs_of_beer, library, places_of
from kegnet.server.storage.records import Beer
from kegnet.server.storage.taps import set_tap
from kegnet.server.storage.transfer import export_lines, import_lines
from support.pictures import png
from support.stored_history import DAY_MS, HOUR_MS, NOW, History


def add(history: History, name: str, **fields: object) -> Beer:
    beer = history.call(set_beer, None, name=name, **fields)
    assert isinstance(beer, Beer)
    return beer


def test_the_library_counts_kegs_and_names_the_taps(history: History) -> None:
    client = history.client("Garage")
    left, right = history.tap(client, 0, name="Left"), history.tap(client, 1, name="Right")
    weizen, ale = add(history, "weizen"), add(history, "Ale")
    add(history, "Éclair", brewery="Home")
    for tap, on_ms in ((left, NOW - 9 * DAY_MS), (left, NOW - 5 * DAY_MS), (right, NOW)):
        history.call(put_on, tap.key, beer=ale.key, on_ms=on_ms, volume_ml=19_000, start_ml=19_000)
    history.pour(client, 0, NOW - 8 * DAY_MS, 11_200)
    undone = history.call(put_on, left.key, beer=weizen.key, on_ms=NOW, volume_ml=None, start_ml=None)
    history.call(undo_keg, undone.key, NOW)
    with history.reading() as connection:
        found = library(connection)
        kegs = kegs_of_beer(connection, ale.key, 2)
        assert places_of(connection, weizen.key) == []
    places = tuple(Place(client.uuid, "Garage", pin, name, None) for pin, name in ((0, "Left"), (1, "Right")))
    assert [(each.beer.name, each.kegs, each.places) for each in found] == [("Ale", 3, places), ("weizen", 0, ()), ("Éclair", 0, ())]
    assert [(keg.place.tap_name, keg.on_ms, keg.off_ms) for keg in kegs] == [("Right", NOW, None), ("Left", NOW - 5 * DAY_MS, None)]
    with history.reading() as connection:
        oldest = kegs_of_beer(connection, ale.key, 9)[-1]
    assert (oldest.off_ms, oldest.volume_ml) == (NOW - 5 * DAY_MS, 19_000)
    assert oldest.poured_ml == pytest.approx(2000)


def test_hidden_taps_and_removed_clients_are_no_places(history: History) -> None:
    client, other = history.client("Garage"), history.client("Cellar")
    ale = add(history, "Ale")
    for each in (client, other):
        history.call(put_on, history.tap(each, 0).key, beer=ale.key, on_ms=NOW, volume_ml=None, start_ml=None)
    history.call(set_tap, client.key, 0, hidden=True)
    history.call(remove_client, other.uuid, NOW)
    with history.reading() as connection:
        assert places_of(connection, ale.key) == []
        assert library(connection)[0].kegs == 2
        assert {keg.place.client_name: keg.place.removed_ms for keg in kegs_of_beer(connection, ale.key, 2)} == {
            "Garage": None,
            "Cellar": NOW,
        }


def test_a_removed_beer_comes_back_as_it_was(history: History) -> None:
    ale = add(history, "Ale", abv_percent=4.2, notes="x")
    assert history.call(remove_beer, ale.key, NOW)
    with history.reading() as connection:
        assert library(connection) == []
        assert find_beer(connection, ale.key) is None
        assert find_any_beer(connection, ale.key) == (ale, True)
    assert history.call(restore_beer, ale.key)
    assert not history.call(restore_beer, ale.key)
    with history.reading() as connection:
        assert find_any_beer(connection, ale.key) == (ale, False)
        assert find_any_beer(connection, 999) is None


def test_a_beer_has_one_picture_and_its_version(history: History) -> None:
    ale = add(history, "Ale")
    history.call(set_picture, ale.key, Picture("image/png", NOW, png(1, 1)))
    history.call(set_picture, ale.key, Picture("image/webp", NOW + 1, b"\0\xff"))
    with history.reading() as connection:
        assert find_picture(connection, ale.key) == Picture("image/webp", NOW + 1, b"\0\xff")
        assert [beer.picture_ms for beer in beers(connection)] == [NOW + 1]
    tap = history.tap(history.client())
    history.call(put_on, tap.key, beer=ale.key, on_ms=NOW - HOUR_MS, volume_ml=None, start_ml=None)
    with history.reading() as connection:
        keg = kegs_on(connection, [tap.key])[tap.key]
        assert keg.beer is not None
        assert keg.beer.picture_ms == NOW + 1
    history.call(take_off, keg.key, NOW)
    assert history.call(remove_picture, ale.key)
    assert not history.call(remove_picture, ale.key)
    with history.reading() as connection:
        assert find_picture(connection, ale.key) is None


def test_recipes_are_added_once_and_update_what_they_have(history: History) -> None:
    ale = add(history, "ale", brewery="Home", notes="kept", ibu=20.0)
    bock = add(history, "Bock")
    recipes = [
        Recipe("Ale", "home", style="Bitter", ibu=30.0),
        Recipe("Bock", "Abbey", abv_percent=7.5),
        Recipe("Ale", "Other", srm=9.0),
        Recipe("ALE", "HOME"),
        Recipe("Stout"),
    ]
    with history.database.writing() as connection:
        planned = plan(connection, recipes)
        assert [(each.beer and each.beer.key, each.changes, each.choice) for each in planned] == [
            (ale.key, {"style": "Bitter", "ibu": 30.0}, Choice.UPDATE),
            (bock.key, {"brewery": "Abbey", "abv_percent": 7.5}, Choice.UPDATE),
            (None, {}, Choice.ADD),
            (ale.key, {}, Choice.SKIP),
            (None, {}, Choice.ADD),
        ]
        done = carry_out(connection, [(each, each.choice) for each in planned])
    assert str(done) == "2 added, 2 updated, 1 skipped"
    with history.reading() as connection:
        assert [(beer.name, beer.brewery, beer.style, beer.ibu, beer.notes) for beer in beers(connection) if beer.key == ale.key] == [
            ("ale", "Home", "Bitter", 30.0, "kept")
        ]
        again = plan(connection, recipes)
        assert {each.choice for each in again} == {Choice.SKIP}
        assert len(beers(connection)) == 4
    with history.database.writing() as connection:
        assert carry_out(connection, [(again[0], Choice.ADD)]) == Imported((max(done.added) + 1,), 0, 0)


def test_no_two_recipes_update_one_beer(history: History) -> None:
    pilsner, alpha_bock, stout = add(history, "Pilsner"), add(history, "Bock", brewery="Alpha"), add(history, "Stout")
    recipes = [
        Recipe("Pilsner", "Alpha", abv_percent=4.8),
        Recipe("Pilsner", "Beta", abv_percent=5.5),
        Recipe("Bock", ibu=20.0),
        Recipe("bock", "ALPHA", ibu=30.0),
        Recipe("Stout", "Gamma"),
        Recipe("Stout", ibu=40.0),
        Recipe("stout", "gamma"),
    ]
    with history.database.writing() as connection:
        planned = plan(connection, recipes)
        assert [(each.beer and each.beer.key, each.choice) for each in planned] == [
            (pilsner.key, Choice.UPDATE),
            (None, Choice.ADD),
            (None, Choice.ADD),
            (alpha_bock.key, Choice.UPDATE),
            (None, Choice.ADD),
            (stout.key, Choice.UPDATE),
            (None, Choice.SKIP),
        ]
        done = carry_out(connection, [(each, each.choice) for each in planned])
        assert str(done) == "3 added, 3 updated, 1 skipped"
        assert {each.choice for each in plan(connection, recipes)} == {Choice.SKIP}
        assert [(beer.brewery, beer.abv_percent) for beer in beers(connection) if beer.name == "Pilsner"] == [("Alpha", 4.8), ("Beta", 5.5)]


def test_megabytes_of_pictures_are_exported_and_imported(history: History, new_history: object) -> None:
    assert callable(new_history)
    other: History = new_history("sqlite" if history.database.postgresql else "postgresql")
    for number in range(28):
        beer = add(history, f"Beer {number}")
        history.call(set_picture, beer.key, Picture("image/png", NOW + number, png(316, 316, seed=number)))
    lines = list(export_lines(history.database))
    assert sum(map(len, lines)) > 16_000_000
    import_lines(other.database, lines, NOW)
    assert other.rows(schema.picture) == history.rows(schema.picture)
