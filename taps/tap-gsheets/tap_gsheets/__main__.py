"""The executable, also as ``python -m tap_gsheets``."""

from __future__ import annotations

from signalroom_singer.cli.executable import run


def main() -> None:
    """Run the tap."""
    run("tap-gsheets", "tap_gsheets.tap", "TapGsheets")


if __name__ == "__main__":
    main()
