"""Fuzzing led by coverage: Atheris looks for bytes that reach lines that none reached before.

Hypothesis draws what a test is given from bytes; here Atheris chooses them, by the lines that those
before reached. Only tests that need no fixture can be led so: those of parsers. What fails is shown
as in any test, and its bytes are kept, which repeats it: `guided.py PARSER .fuzz/PARSER-crash-...`.
So are those that reached something new, in `.fuzz/PARSER`, where the next time goes on.
"""

from __future__ import annotations

import importlib
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / ".fuzz"
_SEEDS, _BYTES = 100, 4096


@dataclass(frozen=True)
class Parser:
    """What is led.

    Attributes:
        package: Whose lines count.
        tests: The folder of the test.
        module: The file of the test, without its ending.
        test: Its name.
    """

    package: str
    tests: str
    module: str
    test: str


LOADER = ("signalroom_target_postgres", "targets/target-postgres/tests")
SHEETS = ("tap_gsheets", "taps/tap-gsheets/tests")
STICKY = ("tap_sticky_s3", "taps/tap-sticky-s3/tests")

PARSERS = {
    "lines": Parser(
        *LOADER, "test_target_fuzz_lines", "test_each_line_is_handed_on_as_it_was_or_told"
    ),
    "files": Parser(*STICKY, "test_sticky_fuzz", "test_any_bytes_are_rows_or_an_error"),
    "headers": Parser(*STICKY, "test_sticky_fuzz", "test_any_beginning_is_a_header_or_an_error"),
    "dialects": Parser(*STICKY, "test_sticky_csv_reader", "test_both_engines_agree_on_any_text"),
    "grids": Parser(*SHEETS, "test_gsheets_fuzz", "test_any_grid_is_a_table_or_an_error"),
    "cells": Parser(
        *SHEETS, "test_gsheets_fuzz", "test_any_cell_fits_its_columns_type_or_is_an_error"
    ),
    "numbers": Parser(
        *SHEETS,
        "test_gsheets_number_formats",
        "test_a_text_is_a_number_only_if_it_is_written_by_the_format",
    ),
    "digits": Parser(
        *SHEETS,
        "test_gsheets_dates",
        "test_digits_are_a_date_only_if_they_are_written_by_the_format",
    ),
    "titles": Parser(
        *SHEETS, "test_gsheets_column_names", "test_any_titles_are_distinguished_by_their_text"
    ),
    "keys": Parser(*SHEETS, "test_gsheets_fuzz", "test_any_key_is_valid_or_an_error"),
}


def led(parser: Parser) -> Callable[[bytes], object]:
    """A parser's test, on what is drawn from given bytes."""
    return getattr(importlib.import_module(parser.module), parser.test).hypothesis.fuzz_one_input


def main(name: str, *options: str) -> None:
    """Lead one parser's test.

    Args:
        name: Of ``PARSERS``.
        options: libFuzzer's: ``-max_total_time=60``, or a file of bytes to repeat.
    """
    import atheris  # noqa: PLC0415 - not installed for those who only look at PARSERS

    parser = PARSERS[name]
    # As pytest has them.
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / parser.tests)]
    with atheris.instrument_imports(include=[parser.package]):
        test = led(parser)
    found = KEPT / name
    if not found.exists():
        # Nothing is drawn from a few bytes: it begins with as many as an example takes.
        found.mkdir(parents=True)
        chance = random.Random(name)
        for number in range(_SEEDS):
            (found / f"seed-{number}").write_bytes(chance.randbytes(chance.randrange(_BYTES)))
    kept = ["-len_control=0", f"-max_len={_BYTES}", f"-artifact_prefix={KEPT}/{name}-"]
    # What was found goes with what finds more, the next time too; not where bytes are repeated.
    folders = [] if any(not option.startswith("-") for option in options) else [str(found)]
    atheris.Setup([sys.argv[0], *kept, *options, *folders], test)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        sys.stdout.writelines(f"{name}\n" for name in PARSERS)
    else:
        main(*sys.argv[1:])
