"""What came of `make chaos`: a table in docs/reliability.md, written by the run itself."""

from __future__ import annotations

import os
import platform
from collections import Counter, defaultdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from harness.chaos.plan import FIRST, SEEDS, cases, possible
from harness.chaos.sources import SOURCES
from harness.chaos.troubles import TROUBLES

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
BEGIN, END = "<!-- make chaos -->", "<!-- end -->"
HEADINGS = {
    "killed": "Processes",
    "full refresh": "Full refreshes",
    "database": "PostgreSQL",
    "disk full": "Disks",
    "clock": "Clocks",
    "vendor": "Vendors",
    "vanished": "Rows that the vendor takes back",
    "network": "Network and vendors' servers",
}


class Report:
    """Collects what came of each case: a plugin of pytest's."""

    def __init__(self):
        self._passed = defaultdict(Counter)
        self._runs = Counter()
        self._failed = []
        self._began = datetime.now(UTC)

    def pytest_runtest_logreport(self, report):
        """Note a case."""
        given = dict(report.user_properties).get("chaos")
        if report.when != "call" or given is None:
            return
        source, trouble, seed, runs = given
        self._runs[trouble] += runs
        if report.passed:
            self._passed[trouble][source] += 1
        else:
            self._failed.append(f"{source}: {trouble} #{seed}")

    def pytest_sessionfinish(self):
        """Write the page, if this was all of it, and no choice by `-k`."""
        tried = sum(map(Counter.total, self._passed.values())) + len(self._failed)
        if tried == len(cases()):
            before, _, rest = PAGE.read_text().partition(BEGIN)
            _, _, after = rest.partition(END)
            PAGE.write_text(f"{before}{BEGIN}\n{self._text(tried)}\n{END}{after}")

    def _text(self, tried):
        minutes = (datetime.now(UTC) - self._began).total_seconds() / 60
        good = tried - len(self._failed)
        versions = f"singer-sdk {version('singer-sdk')}, Meltano {version('meltano')}"
        head = (
            f"**{good:,} of {tried:,} cases ended with the tables of an uninterrupted run**, after "
            f"{self._runs.total():,} runs, on {self._began:%Y-%m-%d}, in {minutes:.0f} minutes on "
            f"{os.cpu_count()} cores. Python {platform.python_version()}, {versions}, "
            f"{platform.system()}. Seeds {FIRST} to {FIRST + SEEDS - 1}: "
            f"`make chaos SEEDS={SEEDS} FIRST={FIRST}` repeats them."
        )
        lines = [head]
        if self._failed:
            lines += ["", "Failed:", "", *(f"- `{case}`" for case in sorted(self._failed))]
        sources = list(SOURCES)
        for kind, heading in HEADINGS.items():
            lines += ["", f"### {heading}", "", f"| | {' | '.join(sources)} |"]
            lines.append("|---|" + "---:|" * len(sources))
            for item in (item for item in TROUBLES.values() if item.kind == kind):
                cells = [self._cell(item, source) for source in sources]
                lines.append(f"| {item.name} | {' | '.join(cells)} |")
        if left := TROUBLES.keys() - {item.name for item in possible()}:
            lines += ["", f"Not tried here, as it needs root: {', '.join(sorted(left))}."]
        return "\n".join(lines)

    def _cell(self, item, source):
        good = self._passed[item.name][source]
        bad = sum(case.startswith(f"{source}: {item.name} #") for case in self._failed)
        if source not in item.sources:
            return ""
        return f"{good}" if not bad else f"**{good} of {good + bad}**"
