"""Run the target as ``python -m signalroom_target_postgres``."""

from __future__ import annotations

from signalroom_target_postgres.target import TargetPostgres

TargetPostgres.cli()
