#!/usr/bin/env bash
# singer-sdk 0.54.9: of each kind of column, the suite for taps checks the first column that pytest runs, and no other.
#
# Guessed: `get_tap_test_class` makes a test of each column, so a date-time column with a value that is no date fails.
# Found: one object serves the tests of all columns of a kind, and keeps the values of the first column it saw. The
# tests of all later columns, of all streams, look at these values again and pass. JSON schema does not check formats
# either: the suite is green, whatever is in the second date-time column. Run alone, the same test fails.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "singer-sdk==0.54.9" "pytest==9.0.1"

cat > test_tap.py <<'PYTHON'
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.testing import get_tap_test_class


class Orders(Stream):
    name = "orders"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType),
        th.Property("created_at", th.DateTimeType),
        th.Property("shipped_at", th.DateTimeType),
    ).to_dict()

    def get_records(self, context):
        yield {"id": 1, "created_at": "2026-01-01T00:00:00Z", "shipped_at": "on Monday"}


class Example(Tap):
    name = "tap-example"
    config_jsonschema = {"type": "object", "properties": {}}

    def discover_streams(self):
        return [Orders(self)]


TestExample = get_tap_test_class(Example, config={})
PYTHON

outcome() { # of the test of the column shipped_at
    { environment/bin/python -m pytest -q -rA --no-header "$@" test_tap.py 2> /dev/null || true; } \
        | grep -oE "^(PASSED|FAILED) .*is_datetime.*shipped_at" | cut -d' ' -f1
}
expected="all tests: PASSED; alone: FAILED"
seen="all tests: $(outcome); alone: $(outcome -k shipped_at)"
echo "singer-sdk 0.54.9, is_datetime of a column whose value is \"on Monday\":"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
