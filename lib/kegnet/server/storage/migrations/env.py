"""What Alembic runs: the migrations, over the connection that the store hands in."""

from __future__ import annotations

from alembic import context
from kegnet.server.schema import metadata

# SQLite alters a table by making it anew, which Alembic does in batches.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
