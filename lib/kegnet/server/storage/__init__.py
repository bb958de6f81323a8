"""The only package that knows SQL: SQLAlchemy over SQLite or PostgreSQL. What a function here has committed is durable."""

from __future__ import annotations

from .database import Connection, Database, open_database
from .errors import StorageError, UnavailableError
from .feed import Change, announce

__all__ = ["Change", "Connection", "Database", "StorageError", "UnavailableError", "announce", "open_database"]
