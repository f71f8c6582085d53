#!/usr/bin/env bash
# singer-sdk 0.54.9: flattening takes the first keyword of a field without `type` for `anyOf` if it has a list.
#
# Guessed: with `flattening_enabled` a field without `type` becomes a text, as the SDK's own comment says; and
# `true`, JSON Schema's way to write "any value", is such a field.
# Found: `{"enum": ["a", "b"]}`, `{"examples": ["a"]}` and `{"required": ["a"]}` end in a TypeError, `{"anyOf": [true,
# ...]}` and a property `true` too. `{"description": "...", "enum": ["a", "b"]}` becomes a text: the order of the
# keywords decides. A text it is also where numbers and booleans come, which are then not valid.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "singer-sdk==0.54.9"

cat > try.py <<'PYTHON'
from singer_sdk.helpers._flattening import flatten_record, flatten_schema

fields = {
    "enum": {"enum": ["a", "b"]},
    "described": {"description": "one of two", "enum": ["a", "b"]},
    "examples": {"examples": ["a"]},
    "anyOf": {"anyOf": [True, {"type": "integer"}]},
    "true": True,
    "any": {},
}
found = []
for name, field in fields.items():
    try:
        schema = flatten_schema({"properties": {name: field}}, max_level=2)
        types = schema["properties"][name]["type"]
        record = flatten_record({name: 5}, flattened_schema=schema, max_level=2)
        found.append(f"{name}: {'/'.join(types)}, 5 stays {type(record[name]).__name__}")
    except TypeError:
        found.append(f"{name}: TypeError")
print("; ".join(found))
PYTHON

expected="enum: TypeError; described: null/string, 5 stays int; examples: TypeError; anyOf: TypeError; true: TypeError; any: null/string, 5 stays int"
seen=$(environment/bin/python try.py)
echo "singer-sdk 0.54.9, flattening: $seen"
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
