"""``make airflow``: run the project's schedules until it is interrupted."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from local_airflow.server import USER, LocalAirflow, LocalAirflowError

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run Airflow for the project in this repository; returns the exit code."""
    home = ROOT / ".meltano" / "airflow"
    # SIGTERM stops it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with LocalAirflow(home, ROOT, Path(sys.executable).parent, {}) as airflow:
            sys.stdout.write(f"Airflow is at {airflow.url}; its logs are in {home / 'logs'}\n")
            sys.stdout.write(f"Sign in as {USER} with the password {airflow.password}\n")
            sys.stdout.write("DAGs are paused until you enable them there. Ctrl-C stops Airflow.\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        sys.stdout.write("\nStopped.\n")
    except LocalAirflowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
