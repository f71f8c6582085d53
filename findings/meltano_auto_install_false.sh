#!/usr/bin/env bash
# meltano 4.4.1: `auto_install: false` changes nothing, a plugin is installed before each command all the same.
#
# Guessed: with `auto_install: false` in meltano.yml, `meltano invoke` starts what is there, or says that it is not
# installed. That is what `--no-install` does.
# Found: the setting is read as false, and then the command tries to install the plugin. Where pip is to have no
# say, as in an image, each command needs `--no-install`.
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
auto_install: false
plugins:
  extractors:
  - name: tap-example
    namespace: tap_example
    executable: tap-example
    pip_url: ./there-is-no-such-folder
YAML

setting=$(meltano config print meltano 2> /dev/null | grep -o '"auto_install": [a-z]*')
tried() { meltano invoke "$@" tap-example --version 2>&1 | grep -c "Installing extractor 'tap-example'" || true; }
seen="$setting, installs tried: $(tried) by default, $(tried --no-install) with --no-install"
echo "meltano 4.4.1: $seen"
expected='"auto_install": false, installs tried: 1 by default, 0 with --no-install'
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
