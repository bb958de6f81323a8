"""The tables of the server, for SQLite and PostgreSQL. A change here needs a migration, see `migrations/`.

Names of columns carry their units: `_ms` is Unix time (or a duration) in milliseconds, `_ml` is millilitres.
Temperatures are integers in thousandths of a degree Celsius.
"""

from __future__ import annotations

import sqlalchemy as sa

PIN_AT_MOST = 1000
"""GPIO numbers are below that on any machine."""
DIGEST_BYTES = 32

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key() -> sa.Column[int]:
    return sa.Column("key", sa.Integer, primary_key=True)


client = sa.Table(
    "client",
    metadata,
    _key(),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("added_ms", sa.BigInteger, nullable=False),
    sa.Column("removed_ms", sa.BigInteger),
    sa.Column("coldest", sa.Integer),
    sa.Column("warmest", sa.Integer),
    sqlite_autoincrement=True,
)
"""The registered clients. `uuid` is in lower case. `kind` is `kegnet`, or `kegboard` for a board that reports without a Pi.

`public_key` is a PEM text; for a board it is the SHA-256 (hex) of its token. `coldest` and `warmest` bound what is no alarm.
A client that was removed keeps its row and its history; it is not accepted and not shown.
"""

ping = sa.Table(
    "ping",
    metadata,
    sa.Column("client", sa.ForeignKey("client.key"), primary_key=True),
    sa.Column("ts_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.LargeBinary(DIGEST_BYTES), primary_key=True),
    sa.Column("ts_seconds", sa.Boolean, nullable=False),
    sa.Column("temp", sa.Integer, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Index(None, "client", "at_ms"),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (ts_ms)",
)
"""Accepted pings. `digest` is the SHA-256 of the signed text, `ts_ms` the signed time in milliseconds.

`ts_seconds`: the client sent seconds. `at_ms` is the time that counts: `ts_ms` where that is possible, else `received_ms`.
"""

pour = sa.Table(
    "pour",
    metadata,
    _key(),
    sa.Column("client", sa.ForeignKey("client.key"), nullable=False),
    sa.Column("ts_ms", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary(DIGEST_BYTES), nullable=False),
    sa.Column("ts_seconds", sa.Boolean, nullable=False),
    sa.Column("pin", sa.Integer, nullable=False),
    sa.Column("pulses", sa.BigInteger, nullable=False),
    sa.Column("et_ms", sa.BigInteger, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("client", "ts_ms", "digest"),
    sa.Index(None, "client", "pin", "at_ms"),
)
"""Accepted pours, never changed. Corrections are rows of `correction`."""

beer = sa.Table(
    "beer",
    metadata,
    _key(),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("brewery", sa.String(80), nullable=False),
    sa.Column("style", sa.String(80), nullable=False),
    sa.Column("abv_percent", sa.Float),
    sa.Column("ibu", sa.Float),
    sa.Column("srm", sa.Float),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("removed_ms", sa.BigInteger),
)
"""The library of beers. `srm` is the colour (Standard Reference Method)."""

picture = sa.Table(
    "picture",
    metadata,
    sa.Column("beer", sa.ForeignKey("beer.key"), primary_key=True),
    sa.Column("media_type", sa.String(20), nullable=False),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The picture of a beer. `media_type` is `image/png`, `image/jpeg` or `image/webp`.

`data` is the last column, because SQLite would read all of it to find a column after it.
"""

tap = sa.Table(
    "tap",
    metadata,
    _key(),
    sa.Column("client", sa.ForeignKey("client.key"), nullable=False),
    sa.Column("pin", sa.Integer, nullable=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("hidden", sa.Boolean, nullable=False),
    sa.UniqueConstraint("client", "pin"),
)
"""A flow meter of a client. The writer adds a row for a pin at its first pour. A hidden tap stays hidden when it pours."""

meter = sa.Table(
    "meter",
    metadata,
    sa.Column("tap", sa.ForeignKey("tap.key"), primary_key=True),
    sa.Column("from_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("pulses_per_litre", sa.Integer, nullable=False),
)
"""The k-factor of a tap's flow meter from a time on. `from_ms` = 0: since ever. Without a row it is `PULSES_PER_LITRE`."""

keg = sa.Table(
    "keg",
    metadata,
    _key(),
    sa.Column("tap", sa.ForeignKey("tap.key"), nullable=False),
    sa.Column("beer", sa.ForeignKey("beer.key")),
    sa.Column("on_ms", sa.BigInteger, nullable=False),
    sa.Column("off_ms", sa.BigInteger),
    sa.Column("volume_ml", sa.Integer),
    sa.Column("start_ml", sa.Integer),
    sa.Column("undone_ms", sa.BigInteger),
    sa.Index(None, "tap", "on_ms"),
)
"""A keg on a tap from `on_ms` until `off_ms` (null: still). `volume_ml` is its size, `start_ml` what it held when it was put on.

Both are null where nobody has entered them: a name of a beer without a level. A keg that was undone counts for nothing.
"""

correction = sa.Table(
    "correction",
    metadata,
    _key(),
    sa.Column("pour", sa.ForeignKey("pour.key"), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("value", sa.BigInteger),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Column("undone_ms", sa.BigInteger),
    sa.Index(None, "pour"),
    sa.Index(None, "kind", "value"),
)
"""A correction of a pour; the last one of a kind that was not undone counts. The kinds are those of `model.pours.CorrectionKind`:

`spill` (leaves the keg, is nobody's drink), `delete` (counts for nothing), `move` (`value` is a tap's key), `volume` (`value` in ml).
"""

alarm = sa.Table(
    "alarm",
    metadata,
    _key(),
    sa.Column("client", sa.ForeignKey("client.key"), nullable=False),
    sa.Column("tap", sa.ForeignKey("tap.key")),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("began_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),
    sa.Index(None, "client", "began_ms"),
    sa.Index(
        "ix_alarm_open",
        "client",
        sa.text("coalesce(tap, 0)"),
        "kind",
        unique=True,
        sqlite_where=sa.text("ended_ms IS NULL"),
        postgresql_where=sa.text("ended_ms IS NULL"),
    ),
)
"""The alarms, those that last (`ended_ms` null) and those that are over. `kind` is of `model.alarms.AlarmKind`.

`tap` is null where the alarm is the client's. The index over the open ones is unique: two leaders cannot begin the same alarm.
"""

notification = sa.Table(
    "notification",
    metadata,
    sa.Column("alarm", sa.ForeignKey("alarm.key"), primary_key=True),
    sa.Column("ending", sa.Boolean, primary_key=True),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Column("delivered", sa.Text, nullable=False),
)
"""The notifications of alarms that are still to be sent; of an alarm's beginning or its end (`ending`). A row is deleted when it was sent.

`delivered` lists, separated by blanks, the fingerprints of the addresses that already have it.
"""

hour = sa.Table(
    "hour",
    metadata,
    sa.Column("client", sa.ForeignKey("client.key"), primary_key=True),
    sa.Column("from_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("mean", sa.Float, nullable=False),
    sa.Column("least", sa.Integer, nullable=False),
    sa.Column("most", sa.Integer, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Temperatures of an hour whose pings were thinned out. `number` is how many pings there were."""

refusal = sa.Table(
    "refusal",
    metadata,
    sa.Column("subject", sa.String(120), primary_key=True),
    sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False),
)
"""Refused messages and wrong passwords of a subject (address and client id) in a minute of Unix time, for the limits of all processes."""

setting = sa.Table(
    "setting",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""Settings of the installation, such as the password's hash and the time zone; see `settings.py`."""

login = sa.Table(
    "login",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("began_ms", sa.BigInteger, nullable=False),
)
"""The log-ins: the SHA-256 of the session's id, and its role, `administrator` or `reader`. Not exported."""
