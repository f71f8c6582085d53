#!/usr/bin/env bash
# singer-sdk 0.54.9: JSONL batch files are packed by gzip whatever `compression` says, and the message denies it.
#
# Guessed: `batch_config` with `compression: none` writes plain JSON lines.
# Found: the tap writes a .json.gz file, and its BATCH message says compression none. A target of the same SDK
# believes the message, reads the packed bytes as text and ends in a UnicodeDecodeError.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "singer-sdk==0.54.9"

cat > tap.py <<'PYTHON'
from singer_sdk import Stream, Tap
from singer_sdk import typing as th


class Orders(Stream):
    name = "orders"
    schema = th.PropertiesList(th.Property("id", th.IntegerType)).to_dict()

    def get_records(self, context):
        yield {"id": 1}


class Example(Tap):
    name = "tap-example"
    config_jsonschema = th.PropertiesList().to_dict()

    def discover_streams(self):
        return [Orders(self)]


Example.cli()
PYTHON
cat > target.py <<'PYTHON'
from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target


class Counting(BatchSink):
    def process_batch(self, context):
        print(len(context["records"]), "row(s) read")


class Example(Target):
    name = "target-example"
    default_sink_class = Counting
    config_jsonschema = {"type": "object", "properties": {}}


Example.cli()
PYTHON
mkdir files
cat > config.json <<JSON
{"batch_config": {"encoding": {"format": "jsonl", "compression": "none"}, "storage": {"root": "file://$folder/files"}}}
JSON

environment/bin/python tap.py --config config.json > messages 2> /dev/null
said=$(grep -o '"compression":"[a-z]*"' messages)
written=$(head -c 2 files/* | od -An -tx1 | tr -d ' ')
read_as=$(environment/bin/python target.py < messages 2>&1 | grep -o 'row(s) read\|^[A-Za-z]*Error' || true)
echo "singer-sdk 0.54.9: the message says $said; the file begins with $written (gzip: 1f8b); the target: $read_as"
[ "$said $written $read_as" = '"compression":"none" 1f8b UnicodeDecodeError' ] ||
    { echo "This has changed; it was: \"compression\":\"none\" 1f8b UnicodeDecodeError" >&2; exit 1; }
