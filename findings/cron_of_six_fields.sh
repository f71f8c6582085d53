#!/usr/bin/env bash
# cronsim 2.8 and croniter 6.0.0: six fields are two different schedules.
#
# Guessed: both refuse six fields, or take the first for the seconds, as Quartz and Spring do.
# Found: cronsim takes the first field for the seconds, croniter (which Airflow uses) the last. `0 5 * * * *` is once
# an hour for the one, and sixty times within one minute of each day for the other; neither warns. What shows when a
# run is due by the one library, and starts it by the other, is wrong by hours.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet --disable-pip-version-check "cronsim==2.8" "croniter==6.0.0"

due=$(environment/bin/python -c '
from datetime import datetime
from cronsim import CronSim
from croniter import croniter
start, text = datetime(2026, 1, 5, 12), "0 5 * * * *"
first, second = CronSim(text, start), croniter(text, start)
for name, times in (("cronsim", [next(first) for _ in range(2)]),
                    ("croniter", [second.get_next(datetime) for _ in range(2)])):
    print(name, *[f"{time:%d-%H:%M:%S}" for time in times])')
echo "$due"
expected="cronsim 05-12:05:00 05-13:05:00
croniter 06-05:00:00 06-05:00:01"
[ "$due" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
