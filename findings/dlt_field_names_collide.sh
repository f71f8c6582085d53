#!/usr/bin/env bash
# dlt 1.31.0: names of fields that consist of other letters than a-z become "x", and two fields one column.
#
# Guessed: each field of a record gets a column of its own, with letters outside of ASCII kept, or
# transliterated, or at least told apart, as for two tables of one name. The naming convention is documented
# as snake_case (https://dlthub.com/docs/general-usage/naming-convention).
# Found: "%", "é" and "äöü" are all normalized to "x", "rate %" and "rate €" to "ratex", and a record that
# has both is loaded with the last value alone: one column, no warning, and the load succeeds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "dlt[duckdb]==1.31.0" "duckdb==1.4.1"

cat > try.py <<'PYTHON'
import os

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
import dlt

pipeline = dlt.pipeline("names", destination=dlt.destinations.duckdb("names.duckdb"), dataset_name="d",
                        pipelines_dir="pipelines")
pipeline.run([{"id": 1, "rate €": 10, "rate %": 20, "é": 30, "äöü": 40}], table_name="rates")
with pipeline.sql_client() as client, client.execute_query("SELECT * FROM rates") as cursor:
    names = [column[0] for column in cursor.description]
    row = cursor.fetchall()[0]
print({name: value for name, value in zip(names, row) if not name.startswith("_dlt")})
PYTHON

expected="{'id': 1, 'ratex': 20, 'x': 40}"
seen=$(environment/bin/python try.py 2>&1 | tail -n 1)
echo "dlt 1.31.0: {'id': 1, 'rate €': 10, 'rate %': 20, 'é': 30, 'äöü': 40} is loaded as $seen"
[ "$seen" = "$expected" ] || { echo "This has changed; it was $expected" >&2; exit 1; }
