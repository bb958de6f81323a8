"""The pictures of beers, and the log-ins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes their tables."""
    op.create_table(
        "picture",
        sa.Column("beer", sa.Integer, nullable=False),
        sa.Column("media_type", sa.String(20), nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["beer"], ["beer.key"], name="fk_picture_beer_beer"),
        sa.PrimaryKeyConstraint("beer", name="pk_picture"),
    )
    op.create_table(
        "login",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("began_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_login"),
    )


def downgrade() -> None:
    """Removes them, with the pictures."""
    op.drop_table("login")
    op.drop_table("picture")
