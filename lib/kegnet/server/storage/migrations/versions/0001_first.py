"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes them."""
    op.create_table(
        "client",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("added_ms", sa.BigInteger, nullable=False),
        sa.Column("coldest", sa.Integer),
        sa.Column("warmest", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_client"),
    )
    op.create_table(
        "tap",
        sa.Column("client", sa.String(36), nullable=False),
        sa.Column("pin", sa.Integer, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("pulses_per_litre", sa.Integer, nullable=False),
        sa.Column("keg_ml", sa.Integer),
        sa.Column("tapped_ms", sa.BigInteger),
        sa.ForeignKeyConstraint(["client"], ["client.id"], name="fk_tap_client_client", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("client", "pin", name="pk_tap"),
    )
    op.create_table(
        "ping",
        sa.Column("sig", sa.String(2732), nullable=False),
        sa.Column("api", sa.String(2), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("temp", sa.Integer, nullable=False),
        sa.Column("ts", sa.BigInteger, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sig", name="pk_ping"),
    )
    op.create_index("ix_ping_id_at_ms", "ping", ["id", "at_ms"])
    op.create_table(
        "pour",
        sa.Column("sig", sa.String(2732), nullable=False),
        sa.Column("api", sa.String(2), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("pin", sa.Integer, nullable=False),
        sa.Column("pulses", sa.BigInteger, nullable=False),
        sa.Column("et", sa.BigInteger, nullable=False),
        sa.Column("ts", sa.BigInteger, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sig", name="pk_pour"),
    )
    op.create_index("ix_pour_id_pin_at_ms", "pour", ["id", "pin", "at_ms"])
    op.create_table(
        "setting",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )


def downgrade() -> None:
    """Takes them away, with all that is in them."""
    for table in ("setting", "pour", "ping", "tap", "client"):
        op.drop_table(table)
