"""The spreadsheets; all names and amounts are made up."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

#: A service account may read these.
MAPPINGS = "1sandbox-mappings-0000000000000000000000000"
ZOO = "1sandbox-zoo-00000000000000000000000000000000"
#: Anyone with the link may read it.
PUBLIC = "1sandbox-public-000000000000000000000000000"
SHEET = "application/vnd.google-apps.spreadsheet"


@dataclass
class Sheet:
    """A tab: its grid, and its cells without blank ones at the ends."""

    gid: int
    title: str
    cells: list[list[Any]] = field(default_factory=list)
    hidden: bool = False
    kind: str = "GRID"
    merges: list[dict[str, int]] = field(default_factory=list)
    rows: int = 0
    columns: int = 0

    def __post_init__(self) -> None:
        self.fit()

    def fit(self) -> None:
        """Grow the grid to hold the cells; it is at least as large as that of a new tab."""
        self.rows = max(self.rows or 1000, len(self.cells))
        self.columns = max(self.columns or 26, max((len(row) for row in self.cells), default=0))


@dataclass
class Spreadsheet:
    """A spreadsheet, and who may read it."""

    id: str
    title: str
    sheets: list[Sheet]
    named: dict[str, tuple[str, str]] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)
    public: bool = False
    mime: str = SHEET
    trashed: bool = False
    version: int = 100
    modified: int = 0
    locale: str = "en_US"
    zone: str = "Etc/GMT"

    def sheet_titled(self, title: str) -> Sheet | None:
        """Find a tab by its title; Google ignores the case."""
        exact = (sheet for sheet in self.sheets if sheet.title == title)
        folded = (sheet for sheet in self.sheets if sheet.title.lower() == title.lower())
        return next(exact, None) or next(folded, None)


def _display_date(serial: int) -> str:
    """Format a date in one of the ways that people format it."""
    day = date(1899, 12, 30) + timedelta(days=serial)
    return (
        f"{day.month}/{day.day}/{day.year}",
        f"{day.month:02}/{day.day:02}/{day.year}",
        f"{day:%d-%b}",
        day.isoformat(),
    )[serial % 4]


def initial_books(seed: int, scale: float) -> list[Spreadsheet]:
    """The spreadsheets before tests change them."""
    chance = random.Random(seed)  # noqa: S311 - data, not secrets
    networks = ("Northwind", "Bluebird", "Copperfield")
    rows: list[list[Any]] = [["Affiliate ID", "Network", "Manager", "Payout %", "Active"]]
    rows += [
        [
            str(1000 + number),
            chance.choice(networks),
            f"manager{chance.randrange(4)}@example.com",
            {"v": (share := chance.randrange(5, 40)) / 100, "f": f"{share}%"},
            chance.random() < 0.8,  # noqa: PLR2004
        ]
        for number in range(max(1, int(40 * scale)))
    ]
    costs: list[list[Any]] = [["Date", "Source", "Cost"]]
    costs += [
        [
            {"v": 46000 + day, "f": _display_date(46000 + day), "date": True},
            f"source_{day % 3}",
            {"v": (cents := chance.randrange(100, 99_999)) / 100, "f": f"${cents / 100:,.2f}"},
        ]
        for day in range(30)
    ]
    return [
        Spreadsheet(
            MAPPINGS,
            "Mappings",
            [
                Sheet(0, "Affiliates", rows),
                Sheet(11, "Manual costs", costs),
                Sheet(12, "Lookups", [["junk"], ["1"]], hidden=True),
            ],
            public=True,
        ),
        Spreadsheet(ZOO, "Zoo", []),
        Spreadsheet(PUBLIC, "Public", [Sheet(0, "Sheet1", [["a", "b"], ["1", "2"]])], public=True),
    ]
