"""The executable, also as ``python -m tap_everflow``."""

from __future__ import annotations

from signalroom_singer.cli.executable import run


def main() -> None:
    """Run the tap."""
    run("tap-everflow", "tap_everflow.tap", "TapEverflow")


if __name__ == "__main__":
    main()
