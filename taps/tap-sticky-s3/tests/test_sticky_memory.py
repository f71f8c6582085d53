"""What a file that cannot be read leaves in memory."""

from __future__ import annotations

import csv
import gc
import tracemalloc

import pytest

from tap_sticky_s3.csv.dialect import Dialect
from tap_sticky_s3.csv.errors import BadFileError
from tap_sticky_s3.csv.strict_reader import StrictReader

MIB = 1 << 20


@pytest.fixture
def small_cells():
    """Cells of 1 MiB at most, as 10 MiB take long to trace."""
    limit = csv.field_size_limit(MIB)
    yield
    csv.field_size_limit(limit)


def test_a_quote_that_is_never_closed_leaves_no_memory(small_cells):
    """Its lines took half a gigabyte, until garbage was collected: mostly after the next file."""
    text = b'1,"' + b"x\n" * MIB
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(3):
            with pytest.raises(BadFileError, match="a quote is probably never closed"):
                list(StrictReader([text], Dialect(), name="a.csv"))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < MIB
