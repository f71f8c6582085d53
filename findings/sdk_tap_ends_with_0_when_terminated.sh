#!/usr/bin/env bash
# singer-sdk 0.54.9: a tap that is stopped by SIGTERM in the middle of a stream ends with exit code 0.
#
# Guessed: 143, or another code that says that the sync did not complete, as programs do that are terminated.
# Found: 0, with a STATE as the last line: for whoever runs it, the end of a complete sync. A wrapper that takes
# 0 for "all rows came" and replaces a table by them deletes what was still to come.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "singer-sdk==0.54.9"

cat > tap_slow.py <<'PYTHON'
import time

from singer_sdk import Stream, Tap
from singer_sdk import typing as th


class Rows(Stream):
    name = "rows"
    primary_keys = ("id",)
    schema = th.PropertiesList(th.Property("id", th.IntegerType)).to_dict()

    def get_records(self, context):
        for number in range(1_000_000):
            time.sleep(0.01)
            yield {"id": number}


class TapSlow(Tap):
    name = "tap-slow"
    config_jsonschema = th.PropertiesList().to_dict()

    def discover_streams(self):
        return [Rows(self)]


TapSlow.cli()
PYTHON

environment/bin/python tap_slow.py > messages.jsonl 2> log.txt &
tap=$!
for _ in $(seq 300); do
  grep --quiet RECORD messages.jsonl && break
  sleep 0.1
done
kill -TERM "$tap"
code=0
wait "$tap" || code=$?
rows=$(grep --count RECORD messages.jsonl)
last=$(tail -n 1 messages.jsonl | grep --only-matching '"type": *"[A-Z]*"')
echo "singer-sdk 0.54.9: stopped by SIGTERM after $rows of 1,000,000 records; exit code $code, last line $last"
[ "$code" = 0 ] && [ "$rows" -lt 1000000 ] || { echo "This has changed; the exit code was 0" >&2; exit 1; }
