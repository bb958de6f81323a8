"""What Alembic runs: the migrations, over the connection and within the transaction that `migrate` hands in."""

from __future__ import annotations

from alembic import context
from kegnet.server.storage.schema import metadata

# The metadata gives constraints without a name theirs.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
