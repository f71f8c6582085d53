"""``signalroom demo``: the taps against mock servers, into the embedded PostgreSQL, twice.

It works in the folder it is called in, which is SignalRoom's repository.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from ruamel.yaml import YAML

from signalroom_cli.isolation import NO_ENV_FILE, isolated
from signalroom_sandbox.gsheets import MAPPINGS
from signalroom_sandbox.server import SandboxServer
from signalroom_sandbox.sticky_s3.exports import day_of
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.embedded.paths import data_directory_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MELTANO = Path(sys.executable).parent / "meltano"
LOG = Path(".meltano") / "demo.log"
#: The tables that it compares.
REPORT = Path(".meltano") / "demo.txt"
ZONE = "America/New_York"
#: How Meltano logs that it is through with a job.
THROUGH = re.compile(r"\[info +\] meltano +Block run completed")
#: And that one has failed; why is said before.
FAILED = re.compile(r"\] meltano +(?:Block run completed|(?:Extractor|Loader)[a-z ]* failed)")
STATE_ID = "sandbox:{tap}-to-target-postgres"
#: The first run ends so many days early, so that the second has something new to find.
HELD_BACK = 3

#: Of each table its rows, and the time of the last load.
Tables: TypeAlias = dict[str, tuple[int, datetime | None]]


def schemas() -> dict[str, str]:
    """Where each tap loads to, in the order of meltano.yml."""
    plugins = YAML(typ="safe").load(Path("meltano.yml"))["plugins"]["extractors"]
    return {plugin["name"]: plugin["load_schema"] for plugin in plugins}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: Of the command line.

    Returns:
        The exit code: 1 if something failed, or what was loaded differs from the mock vendors'.
    """
    description = "Load the mock vendors' data into an embedded PostgreSQL, twice."
    parser = argparse.ArgumentParser(prog="signalroom demo", description=description)
    parser.add_argument("--tables", action="store_true", help="print all that was compared")
    asked = parser.parse_args(arguments)
    if not (Path("meltano.yml").is_file() and Path("README.md").is_file()):
        sys.stderr.write("Run the demo in the folder of SignalRoom's repository.\n")
        return 2
    try:
        with _alone(), isolated(MELTANO_ENVIRONMENT="sandbox"):
            return _demonstrate(tables=asked.tables)
    except KeyboardInterrupt:
        _say("\nInterrupted, and stopped what it had started. `make demo` starts over.")
        return 130


@contextmanager
def _alone() -> Iterator[None]:
    """Refuse a second demo of this folder: it would empty the first one's database."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(
                "A demo of this folder runs already, and there is one database for both: wait for "
                "it, or end it with Ctrl-C where it runs. A second clone can have one of its own."
            )
        yield


def _demonstrate(*, tables: bool = False) -> int:
    begun = time.monotonic()
    yesterday = datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1)
    start = yesterday - timedelta(days=89)
    with SandboxServer() as sandbox:
        settings = sandbox.dotenv | {
            "TAP_EVERFLOW_START_DATE": start.isoformat(),
            "TAP_POSTHOG_START_DATE": (yesterday - timedelta(days=29)).isoformat(),
            "TAP_REDTRACK_START_DATE": start.isoformat(),
        }
        _say(f"Mock servers of the six vendor APIs: {sandbox.url}")
        _forget()
        # Each is its tap into target-postgres.
        jobs = [tap.removeprefix("tap-") for tap in schemas()]
        found = {}
        for number, end in ((1, yesterday - timedelta(days=HELD_BACK)), (2, yesterday)):
            began = time.monotonic()
            settings["TAP_EVERFLOW_END_DATE"] = end.isoformat()
            settings["TAP_POSTHOG_END_DATE"] = end.isoformat()
            settings["TAP_REDTRACK_END_DATE"] = end.isoformat()
            # Files are dated by UTC's days: the second run takes whatever there is.
            last = end if number == 1 else date.max
            settings["TAP_STICKY_S3_FILE_DATE_TO"] = last.isoformat()
            # One after the other by one Meltano, which takes a second or two to start.
            _say(f"Run {number}: meltano run {' '.join(jobs)}   (up to {end})")
            if not _meltano("run", *jobs, **settings):
                return 1
            found[number] = _tables()
            _say(f"         {'total':10} {time.monotonic() - began:5.1f} s")
            if number == 1:
                restated = yesterday - timedelta(days=10)
                sandbox.control.everflow.restate(restated, ZONE, percent=90)
                _say(f"Meanwhile Everflow restates {restated}: 10 % less payout and revenue,")
                sandbox.control.s3.export("orders-create", start, 200)
                costly = yesterday - timedelta(days=5)
                sandbox.control.redtrack.restate(day=str(costly), timezone=ZONE, cost_percent=120)
                _say(f"RedTrack corrects the costs of {costly}, by 20 %,")
                _say(f"Sticky.io delivers the orders of {start}, late,")
                _redeliver(sandbox, end)
                sandbox.control.posthog.events(events=[{"timestamp": f"{end}T12:00:00Z"}] * 5)
                _say(f"five events of {end} come to PostHog,")
                sandbox.control.mautic.edit(numbers=[7, 70], firstname="Edited")
                sandbox.control.mautic.add(count=3)
                _say("in Mautic two contacts are edited and three are added,")
                sheet = {"id": MAPPINGS, "gid": 0}
                cells = sandbox.control.gsheets.cells(**sheet)
                sandbox.control.gsheets.edit(**sheet, cells=[*cells, ["1999", "Northwind"]])
                _say("and somebody adds an affiliate to a sheet.")
        totals = _totals(sandbox, start, yesterday)
        parts = [_loaded(*found.values()), _compared(totals), _returned()]
    REPORT.write_text("\n".join(parts))
    if tables:
        _say("\n" + "\n".join(parts))
    _say("\nQuery the result:")
    _say(
        '  make sql Q="select date, sum(conversions), sum(payout) from everflow.daily_stats'
        ' group by 1 order by 1 desc limit 7"'
    )
    _say(f"Rows of each table, the totals, and return on ad spend: {REPORT}")
    _say(f"Full log of Meltano: {LOG}\n")
    sentence, code = verdict(totals, time.monotonic() - begun)
    _say(sentence)
    return code


@dataclass(frozen=True)
class Total:
    """A sum of what was loaded, and what it has to be.

    Args:
        name: What is summed up.
        loaded: In PostgreSQL.
        expected: At the mock vendor.
    """

    name: str
    loaded: Decimal
    expected: Decimal

    @property
    def agrees(self) -> bool:
        """Whether they are the same."""
        return self.loaded == self.expected


def verdict(totals: Sequence[Total], seconds: float) -> tuple[str, int]:
    """Say in a sentence whether what was loaded is what the vendors have.

    Args:
        totals: What was compared.
        seconds: How long all of it took.

    Returns:
        The sentence, and the exit code.
    """
    differing = [one for one in totals if not one.agrees]
    if not differing:
        return f"All {len(totals)} totals agree with the vendors' ({seconds:.0f} s).", 0
    named = "; ".join(
        f"{one.name}: {one.loaded} loaded, {one.expected} at the vendor" for one in differing
    )
    said = f"{len(differing)} of {len(totals)} totals differ from the vendors' ({seconds:.0f} s)"
    return f"{said}: {named}.", 1


def _redeliver(sandbox: SandboxServer, last: date) -> None:
    """Let files that were loaded change as real ones do: none may count twice, or end a query."""
    s3 = sandbox.control.s3
    keys = [each["key"] for each in s3.objects("orders-create/")]
    *_, corrected, shorter, again = [key for key in keys if day_of(key) <= str(last)]
    now = datetime.now(UTC)
    s3.redeliver(again, to=again.replace(".csv", "_again.csv"), modified=now)
    s3.shorten(shorter, 100, modified=now)
    s3.correct(corrected, 3, {"total_amount": ""}, modified=now)
    _say("delivers one file twice, replaces one by a shorter one, and leaves an amount blank,")


def _forget() -> None:
    """Begin anew: the database and the state of the sandbox are the demo's own."""
    LOG.write_text("")
    EmbeddedPostgres().stop(force=True)
    shutil.rmtree(data_directory_of("sandbox"), ignore_errors=True)
    command = [str(MELTANO), *NO_ENV_FILE, "state", "list"]
    kept = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    known = kept.stdout.split()
    for tap in schemas():
        if (state := STATE_ID.format(tap=tap)) in known:
            _meltano("state", "clear", "--force", state)


def _meltano(*arguments: str, **settings: str) -> bool:
    """Run Meltano into the log file; tells what it got through, and the log's end if it fails."""
    with (
        # Line by line, for who watches it.
        LOG.open("a", buffering=1) as log,
        subprocess.Popen(  # noqa: S603 - this project's Meltano
            [MELTANO, *NO_ENV_FILE, *arguments],
            env=os.environ | settings | {"NO_COLOR": "1", "PATH": _path()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as run,
    ):
        began, jobs = time.monotonic(), iter(arguments[1:])
        try:
            for line in run.stdout or ():
                log.write(line)
                if THROUGH.search(line):
                    _say(f"         {next(jobs):10} {time.monotonic() - began:5.1f} s")
                    began = time.monotonic()
        except BaseException:
            # Interrupted: nothing goes on that nobody waits for.
            run.kill()
            raise
    if run.returncode:
        lines = LOG.read_text().splitlines()
        # What a person can do something about; where nothing says so, the last lines.
        errors = [line for line in lines if "[error" in line and not FAILED.search(line)]
        sys.stderr.write("\n".join(errors or lines[-10:]) + "\n")
        _say(f"meltano {' '.join(arguments)} failed. Full log: {LOG}")
    return run.returncode == 0


def _path() -> str:
    """Where Meltano looks for taps and loader: beside itself first."""
    return os.pathsep.join((str(MELTANO.parent), os.environ.get("PATH", os.defpath)))


def _tables() -> Tables:
    """Rows and the time of the last load of each table."""
    found = {}
    with EmbeddedPostgres() as server, psycopg.connect(server.libpq_url) as connection:
        query = (
            "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 1, 2"
        )
        for schema, table in connection.execute(query, (list(schemas().values()),)).fetchall():
            count = sql.SQL("select count(*), max(_loaded_at) from {}.{}").format(
                sql.Identifier(schema), sql.Identifier(table)
            )
            (found[f"{schema}.{table}"],) = connection.execute(count).fetchall()
    return found


def _loaded(first: Tables, second: Tables) -> str:
    """What came, and what the second run added."""
    last = max(loaded for _, loaded in first.values() if loaded is not None)
    read_again = _loaded_since(last, second)
    lines = [
        f"{'table':28} {'run 1: rows':>12} {'run 2: read':>12} {'new rows':>9} {'rows':>8}",
        f"{'-' * 28} {'-' * 12} {'-' * 12} {'-' * 9} {'-' * 8}",
    ]
    for table, (rows, _) in second.items():
        before = first.get(table, (0, None))[0]
        lines.append(
            f"{table:28} {before:12,} {read_again[table]:12,} {rows - before:9,} {rows:8,}"
        )
    return "\n".join([*lines, ""])


def _loaded_since(moment: datetime, tables: Iterable[str]) -> dict[str, int]:
    """How many rows of each table were loaded after a moment."""
    with EmbeddedPostgres() as server, psycopg.connect(server.libpq_url) as connection:
        counts = {}
        for table in tables:
            query = sql.SQL("select count(*) from {}.{} where _loaded_at > %s").format(
                *(sql.Identifier(part) for part in table.split("."))
            )
            ((counts[table],),) = connection.execute(query, (moment,)).fetchall()
        return counts


def _totals(sandbox: SandboxServer, start: date, end: date) -> list[Total]:
    """The loaded sums beside the sandbox's own."""
    with EmbeddedPostgres() as server, psycopg.connect(server.libpq_url) as connection:
        stats = connection.execute(
            "select sum(clicks), sum(conversions), sum(payout), sum(revenue)"
            " from everflow.daily_stats"
        ).fetchone()
        sums = sql.SQL("select sum(orders), sum(no_amount), sum(revenue) from ({}) as days")
        orders = connection.execute(sums.format(sql.SQL(readme_query()))).fetchone()
        events = connection.execute("select count(*) from posthog.events").fetchone()
        contacts = connection.execute(
            "select count(*), sum(points), sum(length(coalesce(firstname, '')))"
            " from mautic.contacts"
        ).fetchone()
        spend = connection.execute(
            "select sum(clicks), sum(conversions), sum(cost) from redtrack.daily_spend"
        ).fetchone()
    totals = sandbox.control.everflow.totals(start, end, ZONE)["totals"]
    orders_there = sandbox.control.s3.totals("orders-create/")["orders"]
    days = sandbox.control.redtrack.totals(start=str(start), end=str(end), timezone=ZONE)
    # Without traffic that came from no source: the tap leaves it out.
    sources = [day for day in days if day["source_id"]]
    costs = {
        "clicks": sum(day["clicks"] for day in sources),
        "conversions": sum(day["conversions"] for day in sources),
        "cost": sum(Decimal(day["cost"]) for day in sources),
    }
    span = {"start": str(end - timedelta(days=29)), "end": str(end + timedelta(days=1))}
    people = sandbox.control.mautic.digest()
    names = ("clicks", "conversions", "payout", "revenue")
    rows = [
        *((f"daily_stats {name}", totals[name]) for name in names),
        *((f"daily_spend {name}", value) for name, value in costs.items()),
        ("orders", orders_there["count"]),
        ("orders without amount", orders_there["no_amount"]),
        ("orders revenue", orders_there["revenue"]),
        ("contacts", people["count"]),
        ("contacts points", people["points"]),
        ("contacts name letters", people["letters"]),
        ("events", sandbox.control.posthog.totals(**span)["count"]),
    ]
    loaded = [value for one in (stats, spend, orders, contacts, events) for value in one or ()]
    return [
        Total(name, Decimal(value or 0), Decimal(expected))
        for (name, expected), value in zip(rows, loaded, strict=True)
    ]


def _compared(totals: Iterable[Total]) -> str:
    """The sums, a line each."""
    lines = [f"{'':24} {'loaded':>16} {'at the vendor':>16}"]
    for one in totals:
        differs = "" if one.agrees else "   DIFFERS"
        lines.append(f"{one.name:24} {one.loaded!s:>16} {one.expected!s:>16}{differs}")
    return "\n".join([*lines, ""])


def readme_query(readme: Path = Path("README.md")) -> str:
    """The README's query of spend, revenue and return, which is its only SQL.

    Args:
        readme: The file.
    """
    found: list[str] = re.findall(r"```sql\n(.*?)```", readme.read_text(), re.DOTALL)
    (query,) = found
    return query


def _returned() -> str:
    """Spend, revenue and return of the last days, by the README's query."""
    with EmbeddedPostgres() as server, psycopg.connect(server.libpq_url) as connection:
        answer = connection.execute(readme_query())
        names = [column.name for column in answer.description or ()]
        rows = answer.fetchmany(7)
    lines = ["Spend, revenue, and return on ad spend (the query is in README.md):"]
    lines += (
        "".join(f"{'' if cell is None else cell!s:>18}" for cell in row) for row in (names, *rows)
    )
    return "\n".join([*lines, ""])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
