"""A PostgreSQL that is not there, with each release of SQLAlchemy."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from kegnet.server.storage import Database, UnavailableError
from support.ports import free_port


def test_a_connection_of_its_own_is_unavailable_while_the_database_is() -> None:
    database = Database(sa.create_engine(f"postgresql+psycopg2://kegnet@127.0.0.1:{free_port()}/kegnet"), None)
    with pytest.raises(UnavailableError, match="refused"):
        database.raw_connection()
