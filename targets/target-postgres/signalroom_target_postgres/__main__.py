"""The executable, also as ``python -m signalroom_target_postgres``."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the target."""
    # Importing makes much and drops little: collecting garbage meanwhile takes an eighth of the
    # start. What is there then stays, and needs no looking at again.
    gc.disable()
    from signalroom_target_postgres.target import TargetPostgres  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    TargetPostgres.cli()


if __name__ == "__main__":
    main()
