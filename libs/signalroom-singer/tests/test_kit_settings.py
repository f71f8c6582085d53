"""Settings as they come from an environment: as text."""

from __future__ import annotations

import pytest
from kit_vendor import RowTap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError


class PacedTap(RowTap):
    config_jsonschema = th.PropertiesList(
        th.Property("rate", th.NumberType(minimum=1)), th.Property("api_key", th.StringType)
    ).to_dict()

    def discover_streams(self):
        return []


@pytest.mark.parametrize(("given", "read"), (("2.5", 2.5), ("30", 30), (7, 7)))
def test_a_number_may_be_text(given, read):
    assert PacedTap(config={"rate": given, "api_key": "5"}).config == {"rate": read, "api_key": "5"}


@pytest.mark.parametrize("given", ("fast", "0.5", ""))
def test_what_is_none_is_refused(given):
    with pytest.raises(ConfigValidationError) as caught:
        PacedTap(config={"rate": given})
    assert "rate" in str(caught.value.errors)
