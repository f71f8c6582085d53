"""The smallest tap on the SDK alone, to compare starts with: ``peer_start.py --version``."""

from __future__ import annotations

from singer_sdk import Tap


class SmallTap(Tap):
    """A tap without streams."""

    name = "tap-small"
    package_name = "singer-sdk"
    config_jsonschema = {"type": "object", "properties": {}}  # noqa: RUF012 - as the SDK has it

    def discover_streams(self):
        """None."""
        return []


if __name__ == "__main__":
    SmallTap.cli()
