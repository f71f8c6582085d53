"""The executable, also as ``python -m tap_posthog``."""

from __future__ import annotations

from signalroom_singer.cli.executable import run


def main() -> None:
    """Run the tap."""
    run("tap-posthog", "tap_posthog.tap", "TapPostHog")


if __name__ == "__main__":
    main()
