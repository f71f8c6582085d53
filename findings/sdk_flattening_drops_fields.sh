#!/usr/bin/env bash
# singer-sdk 0.54.9: flattening drops nullable numbers and booleans that a schema declares by anyOf.
#
# Guessed: with `flattening_enabled` objects become columns of their own, and all other fields stay as they are.
# Found: a field whose anyOf begins with a number, a boolean or null and has no other text or object is left out
# of the flattened schema, at the top and within objects; its values never reach the target, and nothing is
# logged. `anyOf: [number, null]` is what pydantic and singer-io's taps write for a nullable amount. Declared
# as `type: [number, null]`, the same field stays.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "singer-sdk==0.54.9"

cat > try.py <<'PYTHON'
from singer_sdk.helpers._flattening import flatten_schema


def nullable(kind):
    return {"anyOf": [{"type": kind}, {"type": "null"}]}


schema = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "amount": nullable("number"),
        "count": nullable("integer"),
        "is_test": nullable("boolean"),
        "name": nullable("string"),
        "other_amount": {"type": ["number", "null"]},
        "order": {"type": "object", "properties": {"total": nullable("number"), "currency": nullable("string")}},
    },
}
print(*flatten_schema(schema, max_level=2)["properties"])
PYTHON

expected="id name other_amount order__currency"
seen=$(environment/bin/python try.py)
echo "singer-sdk 0.54.9: of id, amount, count, is_test, name, other_amount and order there is left: $seen"
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
