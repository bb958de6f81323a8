"""The hash of the password."""

from __future__ import annotations

from pathlib import Path

import pytest
from kegnet.server.storage import open_database
from kegnet.server.storage.settings import get_setting
from kegnet.server.web import password

OF_THE_FIRST_SERVER = "pbkdf2:sha256:1000$XlIwduwXdW3pVJz2$eae90fab9b04c7be15dad14b4c0cd2e3f324ef0b6e766e59425141771390bd55"
"""Made by Werkzeug: generate_password_hash("open sesame", method="pbkdf2:sha256:1000")."""


def test_only_the_password_matches_its_hash() -> None:
    stored = password.hashed("open sesame ü")
    assert password.matches(stored, "open sesame ü")
    assert not password.matches(stored, "open sesame u")
    assert not password.matches(stored, "")
    assert password.hashed("open sesame ü") != stored, "each hash has its salt"


def test_a_hash_of_the_first_server_still_matches() -> None:
    assert password.matches(OF_THE_FIRST_SERVER, "open sesame")
    assert not password.matches(OF_THE_FIRST_SERVER, "open sesam")


@pytest.mark.parametrize(
    "stored", ["", "x", "$$", "plain$salt$open sesame", "pbkdf2:sha256:x$s$00", "pbkdf2:nix:1$s$00", "scrypt:3:1:1$s$00"]
)
def test_what_is_no_hash_matches_nothing(stored: str) -> None:
    assert not password.matches(stored, "open sesame")


def test_a_short_password_is_refused_with_its_fix(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    with database.writing() as connection, pytest.raises(password.PasswordError, match="too short; fix: choose one of 8"):
        password.set_password(connection, "short")
    with database.writing() as connection:
        password.set_password(connection, "long enough")
    with database.reading() as connection:
        stored = get_setting(connection, password.SETTING)
    database.close()
    assert stored is not None
    assert password.matches(stored, "long enough")
