"""The executable, also as ``python -m tap_mautic``."""

from __future__ import annotations

from signalroom_singer.cli.executable import run


def main() -> None:
    """Run the tap."""
    run("tap-mautic", "tap_mautic.tap", "TapMautic")


if __name__ == "__main__":
    main()
