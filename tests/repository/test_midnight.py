from __future__ import annotations

import pytest

TEST = """
from datetime import UTC, datetime

AT_IMPORT = datetime.now(UTC).date()

def test_day():
    assert (datetime.now(UTC).date() - AT_IMPORT).days {days}
"""


@pytest.mark.parametrize(
    ("options", "days"), (((), "in (0, 1)"), (("--across-midnight",), "in (1, 2)"))
)
def test_dates_of_modules_are_a_day_old_where_asked_for(pytester, options, days):
    pytester.makepyfile(TEST.format(days=days))
    pytester.runpytest("-p", "harness.midnight", *options).assert_outcomes(passed=1)
