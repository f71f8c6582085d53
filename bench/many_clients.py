"""CPU seconds of one client's hourly run in projects of 1, 50 and 200 clients.

    .venv/bin/python bench/many_clients.py
    .venv/bin/python bench/many_clients.py --clients 1 200 --runs 5

Each client has the six taps and the twelve variables that ``signalroom new-client`` gives it. The
client's tap reads the sandbox into a PostgreSQL once; what is measured are runs after that, with
nothing new, by ``meltano run`` and by ``signalroom run`` in turns, and once each the list of all
schedules. The ratio is that of the CPU seconds of all processes, more is better; ``growth`` is that
of many clients to one, less is better.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from measure import BIN, HERE, cpu_seconds
from vendors import sandbox

from clients import database, environment
from signalroom_cli.clients import client_variables, create_client, settings_of_sources
from signalroom_target_postgres.embedded import EmbeddedPostgres

ROOT = HERE.parent
TAP, CLIENT = "tap-redtrack--client-1", "client-1"
LAST = "2026-01-07"


@dataclass
class Figures:
    """CPU seconds of each command with a number of clients.

    Attributes:
        meltano: Of ``meltano run``.
        ours: Of ``signalroom run``.
        listed: Of ``meltano schedule list`` and ``signalroom schedules``.
    """

    meltano: float
    ours: float
    listed: tuple[float, float]


def project(folder: Path, number: int) -> dict[str, str]:
    """Create a project with a number of clients, and return the clients' variables."""
    shutil.copytree(ROOT / "plugins", folder / "plugins")
    shutil.copy(ROOT / "meltano.yml", folder)
    sources = settings_of_sources(folder)
    env = {}
    for client in (f"client-{place}" for place in range(1, number + 1)):
        create_client(client, [], own_schema=False, folder=folder, clients=folder / "clients")
        env |= dict.fromkeys(client_variables(client, sources), f"of-{client}")
    return env


def measure(folder: Path, number: int, runs: int, sandboxed: dict[str, str], urls) -> Figures:
    """Measure with a number of clients."""
    env = (
        project(folder, number) | environment(folder, *urls) | {"MELTANO_PROJECT_ROOT": str(folder)}
    )
    env["CLIENT_1_REDTRACK_API_KEY"] = sandboxed["REDTRACK_API_KEY"]
    env["TAP_REDTRACK__CLIENT_1_API_URL"] = sandboxed["REDTRACK_BASE_URL"]
    env["TAP_REDTRACK__CLIENT_1_START_DATE"] = "2026-01-01"
    env["TAP_REDTRACK__CLIENT_1_END_DATE"] = LAST
    words = ("run", TAP, "target-postgres")
    cpu_seconds([BIN / "meltano", *words], env)
    pairs = [
        [cpu_seconds([BIN / program, *words], env) for program in ("meltano", "signalroom")]
        for _ in range(runs)
    ]
    listed = (
        cpu_seconds([BIN / "meltano", "schedule", "list", "--format=json"], env),
        cpu_seconds([BIN / "signalroom", "schedules"], env),
    )
    meltano, ours = (median(column) for column in zip(*pairs, strict=True))
    return Figures(meltano, ours, listed)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    line = "{:>7}  {:>11}  {:>14}  {:>5}  {:>6}  {:>12}  {:>10}\n"
    sys.stdout.write(
        line.format(
            *("clients", "meltano run", "signalroom run", "ratio", "growth"),
            *("schedules of", "signalroom"),
        )
    )
    first = None
    with (
        tempfile.TemporaryDirectory() as made,
        EmbeddedPostgres(Path(made) / "postgres") as server,
        sandbox() as (sandboxed, _),
    ):
        for number in options.clients:
            urls = [database(server, f"{name}_{number}")[0] for name in ("warehouse", "system")]
            folder = Path(made) / f"project-{number}"
            folder.mkdir()
            seen = measure(folder, number, options.runs, sandboxed, urls)
            first = first or seen
            sys.stdout.write(
                line.format(
                    *(number, f"{seen.meltano:.1f} s", f"{seen.ours:.1f} s"),
                    *(f"{seen.meltano / seen.ours:.2f}", f"{seen.ours / first.ours:.2f}"),
                    *(f"{seconds:.1f} s" for seconds in seen.listed),
                )
            )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
