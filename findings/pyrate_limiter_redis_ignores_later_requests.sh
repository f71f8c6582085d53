#!/usr/bin/env bash
# pyrate-limiter 4.5.1: processes that share a RedisBucket pass its limit.
#
# Guessed: the script counts and inserts at once, so two processes never take the last place together.
# Found: the time is read before, by each process, and the script counts requests up to that time only. Of two
# processes that read the clock one after the other, the earlier one does not see the later one's request if that
# came first. Both pass, and any number can. The bucket for PostgreSQL counts later requests too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "pyrate-limiter==4.5.1" "redis==8.1.0" \
    "fakeredis==2.41.0" "lupa==2.8"

passed=$(environment/bin/python -c '
from fakeredis import FakeRedis
from pyrate_limiter import Rate, RateItem, RedisBucket
bucket = RedisBucket.init([Rate(1, 1000)], FakeRedis(), "requests")
print(*[bucket.put(RateItem("request", now)) for now in (10_001, 10_000)])')
echo "One request a second is allowed; of two in the same, these pass: $passed"
[ "$passed" = "True True" ] || { echo "This has changed." >&2; exit 1; }
