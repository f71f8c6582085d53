"""The executable, also as ``python -m tap_sticky_s3``."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the tap."""
    # Importing makes much and drops little: collecting garbage meanwhile takes an eighth of the
    # start. What is there then stays, and needs no looking at again.
    gc.disable()
    from tap_sticky_s3.tap import TapStickyS3  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    TapStickyS3.cli()


if __name__ == "__main__":
    main()
