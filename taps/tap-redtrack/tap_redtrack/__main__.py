"""The executable, also as ``python -m tap_redtrack``."""

from __future__ import annotations

from signalroom_singer.cli.executable import run


def main() -> None:
    """Run the tap."""
    run("tap-redtrack", "tap_redtrack.tap", "TapRedTrack")


if __name__ == "__main__":
    main()
