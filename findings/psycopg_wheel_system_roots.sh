#!/usr/bin/env bash
# psycopg-binary 3.3.6: `sslmode=verify-full sslrootcert=system` finds no certificate authority.
#
# Guessed: with `sslrootcert=system` (libpq 16) the wheel trusts the certificate authorities of the machine.
# Found: the OpenSSL in the wheel for Linux looks in the folder in which the wheel was built, which no machine
# has, so each verified connection to a hosted database fails with "certificate verify failed". A path in
# SSL_CERT_FILE or `sslrootcert` (the path of the machine's bundle) helps; psycopg built with the machine's own
# libpq does as one would expect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
[ "$(uname -s)" = Linux ] || { echo "This is about the wheel for Linux." >&2; exit 1; }
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "psycopg[binary]==3.3.6"

cat > look.py <<'PYTHON'
import ctypes
from importlib.util import find_spec
from pathlib import Path

import psycopg  # noqa: F401 - has to come before psycopg_binary

libraries = Path(find_spec("psycopg_binary").origin).parent.with_name("psycopg_binary.libs")
crypto = ctypes.CDLL(str(next(libraries.glob("libcrypto*"))))
for name in ("X509_get_default_cert_file", "X509_get_default_cert_dir"):
    look = getattr(crypto, name)
    look.restype = ctypes.c_char_p
    path = look().decode()
    print(path, "exists" if Path(path).exists() else "missing")
PYTHON

expected="/host/tmp/libpq.build/cert.pem missing
/host/tmp/libpq.build/certs missing"
seen=$(environment/bin/python look.py)
echo "psycopg-binary 3.3.6 looks for certificate authorities in:"
echo "$seen"
[ "$seen" = "$expected" ] || { echo "This has changed; it was: $expected" >&2; exit 1; }
