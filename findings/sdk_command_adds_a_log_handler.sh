#!/usr/bin/env bash
# singer-sdk 0.54.9: whoever looks at the attribute `cli` of a plugin's class adds a handler to the root logger.
#
# Guessed: `Tap.cli` is the command, and reading it does nothing; logging is set up once, when the command runs.
# Found: the command is made anew each time, and that adds a handler that nobody removes. A process that touches the
# `cli` of several plugins, or of one plugin several times, writes each line as many times: a test suite with one
# CliRunner per test slows down with the number of tests before, as each line is formatted once for each of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "singer-sdk==0.54.9"

cat > example.py <<'PYTHON'
import logging

from singer_sdk import Tap


class Example(Tap):
    name = "tap-example"
    config_jsonschema = {"type": "object", "properties": {}}

    def discover_streams(self):
        return []


for number in (1, 2, 3):
    Example.cli
    logging.getLogger("shop").warning("line %s", number)
PYTHON

expected="1 2 3"
seen=$(environment/bin/python example.py 2>&1 > /dev/null | grep -oE "line [0-9]" | uniq -c | awk '{print $1}' | xargs)
echo "singer-sdk 0.54.9, how often a line is written after \`cli\` was read once, twice, three times:"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
