#!/usr/bin/env bash
# singer-sdk 0.54.9: two streams with one `__alias__` share the schema of the one that came last.
#
# Guessed: streams that a target's maps give one name are refused, or their schemas are joined.
# Found: each SCHEMA message replaces the sink of that name. Rows of the first stream are then handed to a sink
# whose schema has not got their fields, and nothing is logged: a target that writes the schema's columns loses
# the others. Only where the keys differ does the run end, with an error that blames the record.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "singer-sdk==0.54.9"

cat > target.py <<'PYTHON'
from singer_sdk.sinks import RecordSink
from singer_sdk.target_base import Target


class Printing(RecordSink):
    def process_record(self, record, context):
        columns = ",".join(self.schema["properties"])
        print(f"row {','.join(record)} of {self.stream_name}({columns})")


class Example(Target):
    name = "target-example"
    default_sink_class = Printing
    config_jsonschema = {"type": "object", "properties": {}}


Example.cli()
PYTHON
echo '{"stream_maps": {"eu": {"__alias__": "orders"}, "us": {"__alias__": "orders"}}}' > config.json
cat > messages <<'JSON'
{"type": "SCHEMA", "stream": "eu", "schema": {"properties": {"id": {"type": "integer"}, "vat_id": {"type": "string"}}}, "key_properties": ["id"]}
{"type": "SCHEMA", "stream": "us", "schema": {"properties": {"id": {"type": "integer"}, "state": {"type": "string"}}}, "key_properties": ["id"]}
{"type": "RECORD", "stream": "eu", "record": {"id": 1, "vat_id": "A1"}}
{"type": "RECORD", "stream": "us", "record": {"id": 2, "state": "NY"}}
JSON

expected="row id,vat_id of orders(id,state)
row id,state of orders(id,state)"
seen=$(environment/bin/python target.py --config config.json < messages 2> /dev/null) || true
echo "singer-sdk 0.54.9, eu and us with the alias orders:"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
