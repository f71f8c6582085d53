"""The executable, also as ``python -m tap_sticky_s3``."""

from __future__ import annotations

from signalroom_singer.cli.executable import run


def main() -> None:
    """Run the tap."""
    run("tap-sticky-s3", "tap_sticky_s3.tap", "TapStickyS3")


if __name__ == "__main__":
    main()
