#!/usr/bin/env bash
# meltano 4.4.1: `meltano invoke` of a plugin whose variable is not set ends in a FileNotFoundError.
#
# Guessed: with `strict_env_var_mode`, a setting `$ACME_KEY` whose variable is not set ends with the sentence that
# `meltano run` has, "Environment variable 'ACME_KEY' referenced but not set".
# Found: the invoker cleans up after that error, and removes a configuration that it had not written yet. That
# error is the one that is shown, with a traceback. So `signalroom test` looks at the variables first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "meltano==4.4.1"
export PATH="$folder/environment/bin:$PATH" NO_COLOR=1

mkdir project
cd project
cat > meltano.yml <<'YAML'
send_anonymous_usage_stats: false
ff: {strict_env_var_mode: true}
plugins:
  extractors:
  - name: tap-example
    namespace: tap_example
    executable: tap-example
    settings: [{name: key}]
    config: {key: $ACME_KEY}
YAML

output=$(meltano invoke --no-install tap-example 2>&1 || true)
count() { grep -c "$1" <<< "$output" || true; }
seen="FileNotFoundError: $(count '^FileNotFoundError'), the variable as an error: $(count '\[error.*ACME_KEY')"
echo "meltano 4.4.1: $seen"
expected="FileNotFoundError: 1, the variable as an error: 0"
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
