#!/usr/bin/env bash
# psycopg 3.2.0: its extra `binary` cannot be installed.
#
# Guessed: `psycopg[binary]>=3.2` means any version from 3.2.0 on, so a project that declares it works with the
# lowest one, too.
# Found: psycopg 3.2.0 on PyPI asks for psycopg-binary 3.2.0.dev1, which was never published there. An installer
# passes over it in silence where it may choose a later version; one that resolves to the lowest versions, as a
# test of declared bounds does, ends with an error that names a version which nobody asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "psycopg==3.2.0"

asks=$(environment/bin/python -c '
from importlib.metadata import requires
print(*[one.partition(";")[0].replace(" ", "") for one in requires("psycopg") if one.startswith("psycopg-binary")])')
echo "psycopg 3.2.0 asks with its extra binary for: $asks"
[ "$asks" = "psycopg-binary==3.2.0.dev1" ] || { echo "This has changed." >&2; exit 1; }
if environment/bin/pip install --disable-pip-version-check "psycopg[binary]==3.2.0" >said 2>&1; then
  echo "This has changed: it can be installed." >&2
  exit 1
fi
grep -o "No matching distribution found for psycopg-binary.*" said
