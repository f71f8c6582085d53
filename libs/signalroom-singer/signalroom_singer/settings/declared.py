"""Settings that several taps have: declared once, with the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEZONE_SETTING = th.Property(
    "timezone",
    th.StringType,
    default="America/New_York",
    title="Report time zone",
    description=(
        "The zone whose days are reported, by its IANA name. Changing it makes old days "
        "and new ones disagree: read everything again afterwards."
    ),
)

ALLOW_HTTP_SETTING = th.Property(
    "allow_http",
    th.BooleanType,
    default=False,
    title="Allow plain HTTP",
    description=(
        "Connect to a server of your own without TLS: credentials and data are sent unencrypted."
    ),
)

#: The name of a stream, within a setting that defines several.
STREAM_NAME = th.Property(
    "name",
    th.StringType(pattern="^[a-z][a-z0-9_]*$"),
    required=True,
    description="The stream and table name, in snake_case.",
)


def custom_reports_setting(
    dimensions: th.Property[Any], *, description: str, example: Mapping[str, Any]
) -> th.Property[Any]:
    """Declare the setting ``custom_reports``: reports by dimensions that the user chooses.

    Args:
        dimensions: The key of a report's list of dimensions, named as at the vendor.
        description: What the reports are by, and what is added to the dimensions.
        example: A report as the setting has it.
    """
    return th.Property(
        "custom_reports",
        th.ArrayType(th.ObjectType(STREAM_NAME, dimensions)),
        title="Custom reports",
        description=description,
        examples=[[example]],
    )
