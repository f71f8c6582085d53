"""The executable, also as ``python -m signalroom_target_postgres``."""

from __future__ import annotations

from signalroom_singer.cli.executable import run


def main() -> None:
    """Run the target."""
    name = "signalroom-target-postgres"
    run(name, "signalroom_target_postgres.target", "TargetPostgres", loads=True)


if __name__ == "__main__":
    main()
