#!/usr/bin/env bash
# singer-sdk 0.54.9: a target makes the table of a stream that its stream map removes.
#
# Guessed: `stream_maps: {customers: __NULL__}` on a target keeps the stream out of the database.
# Found: its rows are dropped, but its sink is made and set up from the SCHEMA message, so the table is there,
# empty, with the columns that were to stay out.
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
    def setup(self):
        print("table", self.stream_name, *self.schema["properties"])

    def process_record(self, record, context):
        print("row", self.stream_name, *record)


class Example(Target):
    name = "target-example"
    default_sink_class = Printing
    config_jsonschema = {"type": "object", "properties": {}}


Example.cli()
PYTHON
echo '{"stream_maps": {"customers": "__NULL__"}}' > config.json
cat > messages <<'JSON'
{"type": "SCHEMA", "stream": "customers", "schema": {"properties": {"id": {"type": "integer"}}}, "key_properties": []}
{"type": "RECORD", "stream": "customers", "record": {"id": 1}}
JSON

seen=$(environment/bin/python target.py --config config.json < messages 2> /dev/null)
echo "singer-sdk 0.54.9, customers removed by a map: $seen"
[ "$seen" = "table customers id" ] || { echo "This has changed; it was: table customers id" >&2; exit 1; }
