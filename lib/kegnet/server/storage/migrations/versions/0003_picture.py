"""The pictures of beers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes their table."""
    op.create_table(
        "picture",
        sa.Column("beer", sa.Integer, nullable=False),
        sa.Column("media_type", sa.String(20), nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["beer"], ["beer.key"], name="fk_picture_beer_beer"),
        sa.PrimaryKeyConstraint("beer", name="pk_picture"),
    )


def downgrade() -> None:
    """Removes it, with the pictures."""
    op.drop_table("picture")
