"""Tabs as people make them, each beside the table it must become."""

from __future__ import annotations

BOOK = "synthetic-zoo"


def money(value, shown):
    return {"v": value, "f": shown}


def day(serial, shown):
    return {"v": serial, "f": shown, "date": True}


#: Title, what people typed, and the rows that must arrive: the header first.
ZOO = (
    (
        "mapping",
        [["Offer ID", "Network"], ["007", "Northwind"], ["8", "Bluebird"]],
        [["offer_id", "network"], ["007", "Northwind"], ["8", "Bluebird"]],
    ),
    (
        "gaps",
        [["a", "b", "c"], ["1", None, "x"], [], [None, "2"], [], []],
        [["a", "b", "c"], ["1", None, "x"], [None, "2", None]],
    ),
    (
        "headers",
        [
            ["Pays?", None, "pays?", 2024, True, " two\nlines ", "\u200b", "Größe 🙂", "PAYS"],
            ["x"] * 9,
        ],
        [
            [
                # Of three titles that make the same name, one says no more than the name.
                "pays_2f61e4",
                "column_b",
                "pays_21bd90",
                "2024",
                "true",
                "two_lines",
                "column_g",
                "größe",
                "pays",
            ],
            ["x"] * 9,
        ],
    ),
    (
        "wider than its header",
        [["a"], ["1", "2"], ["3", None, None, "4"]],
        [["a", "column_b", "column_d"], ["1", "2", None], ["3", None, "4"]],
    ),
    (
        "last column blank in row 2",
        [["a", "b"], ["1"], ["2", "x"]],
        [["a", "b"], ["1", None], ["2", "x"]],
    ),
    (
        "blank columns",
        [["a", None, "b", None], ["1", None, "2"]],
        [["a", "b"], ["1", "2"]],
    ),
    (
        "zero and unticked",
        [["n", "ticked"], [0, False], [53.0, True], [-1.5, None]],
        [["n", "ticked"], ["0", "false"], ["53", "true"], ["-1.5", None]],
    ),
    (
        "formats",
        [
            ["share", "cost", "day"],
            [money(0.12, "12%"), money(1234.5, "$1,234.50"), day(45000, "15/03/2023")],
        ],
        [["share", "cost", "day"], ["0.12", "1234.5", "15/03/2023"]],
    ),
    (
        "long numbers",
        [["id", "text"], [12345678901234567, "0012345678901234567"]],
        [["id", "text"], ["12345678901234567", "0012345678901234567"]],
    ),
    (
        "failed formulas",
        [["a", "b"], ["#REF!", "1"], ["#N/A", "#DIV/0!"], ["x", "#hash"]],
        [["a", "b"], [None, "1"], [None, None], ["x", "#hash"]],
    ),
    (
        "mixed",
        [["v"], [1], ["one"], [True], [day(43831, "2020-01-01")]],
        [["v"], ["1"], ["one"], ["true"], ["2020-01-01"]],
    ),
    ("one long cell", [["a"], ["x" * 50_000]], [["a"], ["x" * 50_000]]),
    (
        "250 blank rows",
        [["a"], ["1"], *[[] for _ in range(250)], ["2"]],
        [["a"], ["1"], ["2"]],
    ),
    ("O'Brien", [["a"], ["1"]], [["a"], ["1"]]),
    ("CO2", [["a"], ["1"]], [["a"], ["1"]]),
    ("A1", [["a"], ["1"]], [["a"], ["1"]]),
    ("Q1/Q2", [["a"], ["1"]], [["a"], ["1"]]),
    ("a!b", [["a"], ["1"]], [["a"], ["1"]]),
    ("données 🙂", [["a"], ["1"]], [["a"], ["1"]]),
    ("Prices", [["a"], ["1"]], [["a"], ["1"]]),
)
