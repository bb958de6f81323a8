"""Numbers instead of texts as keys, digests instead of signatures; beers, kegs, meters, corrections, alarms.

Every ping and pour stays. The database copies the rows by itself, so a large one needs no memory.
"""

from __future__ import annotations

import hashlib
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_OLD = ("pour", "ping", "tap", "client")

# A time below 100,000,000,000 is in seconds (v1 of the API): as milliseconds it would be before March 1973.
_MESSAGES = (
    "(SELECT m.*, abs(ts) < 100000000000 AS in_seconds, CASE WHEN abs(ts) < 100000000000 THEN ts * 1000 ELSE ts END AS ts_ms FROM {} m)"
)
# A clock can be 5 minutes ahead, and a message 90 days old when its client is added.
# A client that was removed and added again has messages from before.
_AT_MS = """CASE WHEN ts_ms <= m.received_ms + 300000
    AND ts_ms >= CASE WHEN first_ms < added_ms THEN first_ms ELSE added_ms END - 7776000000
    THEN ts_ms ELSE m.received_ms END"""
# The first of several with the same text is kept: one signature can be written in 16 ways.
_FROM = "FROM {} m JOIN client ON uuid = m.id JOIN old_first f ON f.id = m.id WHERE true ORDER BY m.received_ms, sig ON CONFLICT DO NOTHING"


def upgrade() -> None:
    """Renames the old tables, makes the new ones, copies the rows, and drops the old tables."""
    connection = op.get_bind()
    postgresql = connection.dialect.name == "postgresql"
    if not postgresql:
        connection.connection.dbapi_connection.create_function("sha256", 1, _sha256, deterministic=True)
    _rename_old_tables(postgresql)
    _make_clients_and_messages()
    _make_taps_and_kegs()
    _make_records()
    if postgresql:
        _make_partitions()
    _copy_clients()
    _copy_messages(postgresql)
    _copy_taps()
    for table in ("old_first", *(f"old_{name}" for name in _OLD)):
        op.drop_table(table)
    op.bulk_insert(sa.table("setting", sa.column("name"), sa.column("value")), [{"name": "installation", "value": secrets.token_hex(8)}])


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _rename_old_tables(postgresql: bool) -> None:
    op.drop_index("ix_ping_id_at_ms", "ping")
    op.drop_index("ix_pour_id_pin_at_ms", "pour")
    for table in _OLD:
        op.rename_table(table, f"old_{table}")
        if postgresql:
            # The names of indexes are the schema's, not the table's.
            op.execute(f"ALTER INDEX pk_{table} RENAME TO pk_old_{table}")


def _key() -> sa.Column[int]:
    return sa.Column("key", sa.Integer, primary_key=True)


def _text(name: str, length: int = 80) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False)


def _number(name: str, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=primary_key, autoincrement=False, nullable=False)


def _client(primary_key: bool = False) -> sa.Column[int]:
    return sa.Column("client", sa.Integer, sa.ForeignKey("client.key"), primary_key=primary_key, nullable=False)


def _make_clients_and_messages() -> None:
    op.create_table(
        "client",
        _key(),
        sa.Column("uuid", sa.String(36), nullable=False, unique=True),
        _text("name"),
        _text("kind", 8),
        sa.Column("public_key", sa.Text, nullable=False),
        _number("added_ms"),
        sa.Column("removed_ms", sa.BigInteger),
        sa.Column("coldest", sa.Integer),
        sa.Column("warmest", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ping",
        _client(primary_key=True),
        _number("ts_ms", primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("ts_seconds", sa.Boolean, nullable=False),
        sa.Column("temp", sa.Integer, nullable=False),
        _number("at_ms"),
        _number("received_ms"),
        sqlite_with_rowid=False,
        postgresql_partition_by="RANGE (ts_ms)",
    )
    op.create_index(None, "ping", ["client", "at_ms"])
    op.create_table(
        "pour",
        _key(),
        _client(),
        _number("ts_ms"),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("ts_seconds", sa.Boolean, nullable=False),
        sa.Column("pin", sa.Integer, nullable=False),
        _number("pulses"),
        _number("et_ms"),
        _number("at_ms"),
        _number("received_ms"),
        sa.UniqueConstraint("client", "ts_ms", "digest"),
    )
    op.create_index(None, "pour", ["client", "pin", "at_ms"])


def _make_taps_and_kegs() -> None:
    numbers = [sa.Column(name, sa.Float) for name in ("abv_percent", "ibu", "srm")]
    texts = [_text("name"), _text("brewery"), _text("style")]
    op.create_table("beer", _key(), *texts, *numbers, sa.Column("notes", sa.Text, nullable=False), sa.Column("removed_ms", sa.BigInteger))
    op.create_table(
        "tap",
        _key(),
        _client(),
        sa.Column("pin", sa.Integer, nullable=False),
        _text("name"),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.UniqueConstraint("client", "pin"),
    )
    op.create_table(
        "meter",
        sa.Column("tap", sa.Integer, sa.ForeignKey("tap.key"), primary_key=True),
        _number("from_ms", primary_key=True),
        sa.Column("pulses_per_litre", sa.Integer, nullable=False),
    )
    op.create_table(
        "keg",
        _key(),
        sa.Column("tap", sa.Integer, sa.ForeignKey("tap.key"), nullable=False),
        sa.Column("beer", sa.Integer, sa.ForeignKey("beer.key")),
        _number("on_ms"),
        sa.Column("off_ms", sa.BigInteger),
        sa.Column("volume_ml", sa.Integer),
        sa.Column("start_ml", sa.Integer),
        sa.Column("undone_ms", sa.BigInteger),
    )
    op.create_index(None, "keg", ["tap", "on_ms"])


def _make_records() -> None:
    op.create_table(
        "correction",
        _key(),
        sa.Column("pour", sa.Integer, sa.ForeignKey("pour.key"), nullable=False),
        _text("kind", 8),
        sa.Column("value", sa.BigInteger),
        _number("made_ms"),
        sa.Column("undone_ms", sa.BigInteger),
    )
    op.create_index(None, "correction", ["pour"])
    op.create_index(None, "correction", ["kind", "value"])
    op.create_table(
        "alarm",
        _key(),
        _client(),
        sa.Column("tap", sa.Integer, sa.ForeignKey("tap.key")),
        _text("kind", 16),
        _number("began_ms"),
        sa.Column("ended_ms", sa.BigInteger),
    )
    op.create_index(None, "alarm", ["client", "began_ms"])
    lasting = sa.text("ended_ms IS NULL")
    columns = ["client", sa.text("coalesce(tap, 0)"), "kind"]
    op.create_index("ix_alarm_open", "alarm", columns, unique=True, sqlite_where=lasting, postgresql_where=lasting)
    op.create_table(
        "notification",
        sa.Column("alarm", sa.Integer, sa.ForeignKey("alarm.key"), primary_key=True),
        sa.Column("ending", sa.Boolean, primary_key=True),
        _number("made_ms"),
        sa.Column("delivered", sa.Text, nullable=False),
    )
    op.create_table(
        "hour",
        _client(primary_key=True),
        _number("from_ms", primary_key=True),
        sa.Column("mean", sa.Float, nullable=False),
        *[sa.Column(name, sa.Integer, nullable=False) for name in ("least", "most", "number")],
        sqlite_with_rowid=False,
    )
    subject = sa.Column("subject", sa.String(120), primary_key=True)
    op.create_table("refusal", subject, _number("minute", primary_key=True), sa.Column("number", sa.Integer, nullable=False))


def _make_partitions() -> None:
    """One for each month in which pings were received; what has another time goes into the default one."""
    op.execute("CREATE TABLE ping_other PARTITION OF ping DEFAULT")
    op.execute("""DO $$ DECLARE month timestamptz; BEGIN
        FOR month IN SELECT DISTINCT date_trunc('month', to_timestamp(received_ms / 1000), 'UTC') FROM old_ping LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF ping FOR VALUES FROM (%s) TO (%s)',
                'ping_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM'),
                1000 * extract(epoch FROM month)::bigint,
                1000 * extract(epoch FROM (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')::bigint);
        END LOOP; END $$""")


def _copy_clients() -> None:
    """Clients that were removed but have a history get a row again; they count as removed when their last message came."""
    op.execute("""CREATE TABLE old_first AS SELECT id, min(received_ms) AS first_ms, max(received_ms) AS last_ms FROM
        (SELECT id, received_ms FROM old_ping UNION ALL SELECT id, received_ms FROM old_pour) messages GROUP BY id""")
    op.execute("""INSERT INTO client (uuid, name, kind, public_key, added_ms, coldest, warmest)
        SELECT id, name, 'kegnet', public_key, added_ms, coldest, warmest FROM old_client ORDER BY added_ms, id""")
    op.execute("""INSERT INTO client (uuid, name, kind, public_key, added_ms, removed_ms)
        SELECT id, substr(id, 1, 8), 'kegnet', '', first_ms, last_ms FROM old_first
        WHERE id NOT IN (SELECT id FROM old_client) ORDER BY first_ms, id""")


def _copy_messages(postgresql: bool) -> None:
    digest = "sha256(convert_to({}, 'UTF8'))" if postgresql else "sha256({})"
    ping = digest.format("m.id || ',' || temp || ',' || ts")
    pour = digest.format("m.id || ',' || pin || ',' || pulses || ',' || et || ',' || ts")
    op.execute(f"""INSERT INTO ping (client, ts_ms, digest, ts_seconds, temp, at_ms, received_ms)
        SELECT client.key, ts_ms, {ping}, in_seconds, temp, {_AT_MS}, m.received_ms {_FROM.format(_MESSAGES.format("old_ping"))}""")
    op.execute(f"""INSERT INTO pour (client, ts_ms, digest, ts_seconds, pin, pulses, et_ms, at_ms, received_ms)
        SELECT client.key, ts_ms, {pour}, in_seconds, pin, pulses, CASE WHEN in_seconds THEN et * 1000 ELSE et END, {_AT_MS}, m.received_ms
        {_FROM.format(_MESSAGES.format("old_pour"))}""")


def _copy_taps() -> None:
    """The keg of a tap without a time is one whose level nobody knows."""
    op.execute("""INSERT INTO tap (client, pin, name, hidden)
        SELECT client.key, t.pin, t.name, false FROM old_tap t JOIN client ON uuid = t.client ORDER BY client.key, t.pin""")
    op.execute("""INSERT INTO meter (tap, from_ms, pulses_per_litre) SELECT tap.key, 0, t.pulses_per_litre
        FROM old_tap t JOIN client ON uuid = t.client JOIN tap ON tap.client = client.key AND tap.pin = t.pin""")
    op.execute("""INSERT INTO keg (tap, on_ms, volume_ml, start_ml)
        SELECT tap.key, coalesce(tapped_ms, added_ms), keg_ml, CASE WHEN tapped_ms IS NULL THEN NULL ELSE keg_ml END
        FROM old_tap t JOIN client ON uuid = t.client JOIN tap ON tap.client = client.key AND tap.pin = t.pin
        WHERE tapped_ms IS NOT NULL OR keg_ml IS NOT NULL""")
    op.execute("""INSERT INTO tap (client, pin, name, hidden) SELECT DISTINCT client, pin, 'tap ' || pin, false FROM pour
        WHERE NOT EXISTS (SELECT 1 FROM tap WHERE tap.client = pour.client AND tap.pin = pour.pin)""")
