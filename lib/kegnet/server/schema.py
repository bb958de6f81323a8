"""The server's tables, by SQLAlchemy. What changes here wants a migration, see `migrations/`."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

PIN_AT_MOST = 1000
"""GPIO numbers are below that on any machine."""
_SIGNATURE_CHARACTERS = 2732
"""Base64 of the signature by a key of 16,384 bits, the largest that OpenSSL takes."""

client = sa.Table(
    "client",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("added_ms", sa.BigInteger, nullable=False),
    sa.Column("coldest", sa.Integer),
    sa.Column("warmest", sa.Integer),
)
"""Who may speak. `id` is in small letters; `coldest` and `warmest`, in thousandths of a degree Celsius, bound what is no alarm."""

tap = sa.Table(
    "tap",
    metadata,
    sa.Column("client", sa.ForeignKey("client.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("pin", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("pulses_per_litre", sa.Integer, nullable=False),
    sa.Column("keg_ml", sa.Integer),
    sa.Column("tapped_ms", sa.BigInteger),
)
"""A flow meter at GPIO `pin`. `keg_ml` is what the keg held as it was tapped at `tapped_ms`; both null where nobody has said."""

ping = sa.Table(
    "ping",
    metadata,
    sa.Column("sig", sa.String(_SIGNATURE_CHARACTERS), primary_key=True),
    sa.Column("api", sa.String(2), nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("temp", sa.Integer, nullable=False),
    sa.Column("ts", sa.BigInteger, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Index(None, "id", "at_ms"),
)
"""Accepted pings: their fields as they came over version `api`, and `at_ms`, when the temperature was read, in Unix milliseconds."""

pour = sa.Table(
    "pour",
    metadata,
    sa.Column("sig", sa.String(_SIGNATURE_CHARACTERS), primary_key=True),
    sa.Column("api", sa.String(2), nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("pin", sa.Integer, nullable=False),
    sa.Column("pulses", sa.BigInteger, nullable=False),
    sa.Column("et", sa.BigInteger, nullable=False),
    sa.Column("ts", sa.BigInteger, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Index(None, "id", "pin", "at_ms"),
)
"""Accepted pours, likewise."""

setting = sa.Table(
    "setting",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""What is set once for all, such as the password's hash."""
