"""The token of the wall's link `/tv?token=…`, which opens only the wall where reading needs a password."""

from __future__ import annotations

import secrets

from ..storage import Connection
from ..storage.settings import get_setting, set_setting

SETTING = "wall token"
"""The token is stored as it is, because the page of the settings shows it."""


def new_wall_token(connection: Connection) -> str:
    """Makes a link. Earlier ones do not work any more."""
    token = secrets.token_urlsafe(16)
    set_setting(connection, SETTING, token)
    return token


def remove_wall_token(connection: Connection) -> None:
    """Removes the link, which does not work any more."""
    set_setting(connection, SETTING, None)


def wall_path(connection: Connection) -> str | None:
    """The path of the link below the root; None if there is none."""
    token = get_setting(connection, SETTING)
    return None if token is None else f"/tv?token={token}"
