"""What `make test` leaves to `make test-all`: further cases of what another test shows too.

`make test-all` runs on each push, in a job of its own. A case is listed by a pattern of its id.
"""

from __future__ import annotations

import re

import pytest

#: By pattern of test ids, which case of the same kind stays in `make test`.
LEFT_TO_TEST_ALL = {
    r"test_chaos\.py::.*\[(?!.*SIGKILL of both #)"
    r"(?!redtrack: |everflow: `cut_body`|mautic: SIGKILL of PostgreSQL|posthog: connections cut)": (
        "SIGKILL of both for every source, all troubles of RedTrack, and one of each other kind"
    ),
    r"test_backfill_limits\.py::test_a_backfill_and_an_hourly_run_.*\[False\]": "with a store",
    r"test_clean_up\.py::test_old_runs_go_and_the_state_stays\[sqlite\]": "in PostgreSQL",
    r"test_clean_up\.py::test_what_a_run_needs_that_goes_on_stays\[postgres\]": "in SQLite",
    r"test_mautic_contacts\.py::TestStopped::test_it_goes_on_where_it_was\[5\]": "version 6",
    r"test_mautic_contacts\.py::TestStopped::test_edits_are_found_.*\[all\]": "by the log",
    r"test_mautic_contacts\.py::TestUndated::test_a_company_is_renamed\[(2|50)-[456]\]": (
        "version 7"
    ),
    r"test_mautic_stats\.py::TestTables::test_tables_without_an_id\[1-": "other page sizes",
    r"test_mautic_roles\.py::TestLaterRuns::test_table_and_bookmark_stay\[.*-[56]-": (
        "versions 4 and 7"
    ),
    r"test_posthog_events\.py::TestEachOnce::test_twenty_thousand_.*\[events\]": (
        "the same by queries"
    ),
    r"test_posthog_persons\.py::TestTooSlow::test_ranges_are_halved\[(0|7200)-504\]": (
        "ranges of days"
    ),
    r"test_everflow_reports\.py::TestCutReports::test_a_cut_day_.*\[1[02],000 rows": "10,001 rows",
    r"test_everflow_rows\.py::TestClicks::test_a_cut_span_is_halved\[35000\]": "fewer rows",
}


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="also what is left to make test-all")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Deselect what is left to `make test-all`, unless a test is named on the command line."""
    if config.getoption("--all") or any("::" in name for name in config.args):
        return
    by_lane = {True: [], False: []}
    for item in items:
        by_lane[is_left_to_test_all(item.nodeid)].append(item)
    config.hook.pytest_deselected(items=by_lane[True])
    items[:] = by_lane[False]


def is_left_to_test_all(test):
    """Whether `make test` passes over a test.

    Args:
        test: Its id, as pytest writes it.
    """
    return any(re.search(pattern, test) for pattern in LEFT_TO_TEST_ALL)
