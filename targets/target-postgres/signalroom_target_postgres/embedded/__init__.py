"""The embedded PostgreSQL; it knows nothing of Singer."""

from __future__ import annotations

from signalroom_target_postgres.embedded.errors import EmbeddedPostgresError
from signalroom_target_postgres.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
