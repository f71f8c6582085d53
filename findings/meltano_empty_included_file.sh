#!/usr/bin/env bash
# Meltano 4.4.1: an included file with nothing but comments stops every command.
#
# Guessed: a file that `include_paths` matches and that is empty, or has all its entries commented out, counts as one
# without plugins, as an empty list of plugins does.
# Found: each command ends with an AttributeError, and no line of it names the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "meltano==4.4.1"
mkdir -p project/clients
cat > project/meltano.yml <<YAML
version: 1
default_environment: dev
environments:
- name: dev
include_paths:
- clients/*.yml
YAML
export MELTANO_SEND_ANONYMOUS_USAGE_STATS=false NO_COLOR=1
run() { (cd project && ../environment/bin/meltano schedule list 2>&1) || true; }

echo "plugins: {}" > project/clients/acme.yml
without=$(run | grep -c "AttributeError" || true)
echo "# plugins: none yet" > project/clients/acme.yml
with=$(run)
echo "With a plugin list that is empty, lines of an AttributeError: $without"
echo "With comments alone: $(grep -m1 "AttributeError" <<< "$with")"
echo "Lines that name the file: $(grep -c "acme.yml" <<< "$with" || true)"
[ "$without" = 0 ] && grep -q "AttributeError: 'NoneType' object has no attribute 'get'" <<< "$with" \
  && ! grep -q "acme.yml" <<< "$with" || { echo "This has changed." >&2; exit 1; }
