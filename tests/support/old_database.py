"""A database as the server of early 2026 made it, whose tables are those of migration 0001."""

from __future__ import annotations

import base64
from pathlib import Path

import alembic.command
import alembic.config
import sqlalchemy as sa

MIGRATIONS = Path(__file__).resolve().parents[2] / "lib/kegnet/server/storage/migrations"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def make_old_tables(connection: sa.engine.Connection) -> None:
    """The tables of revision 0001."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "0001")


def add(connection: sa.engine.Connection, table: str, *rows: dict[str, object]) -> None:
    """Adds rows, all of the same columns."""
    columns = list(rows[0])
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)})"
    connection.execute(sa.text(insert), list(rows))


def spellings(raw: bytes) -> list[str]:
    """All 16 texts that a lenient decoder of base64 takes for these 256 bytes: it ignores four bits of the last digit."""
    text = base64.b64encode(raw).decode()
    assert text.endswith("==")
    digit = ALPHABET.index(text[-3])
    return [text[:-3] + ALPHABET[digit & 0b110000 | unused] + "==" for unused in range(16)]
