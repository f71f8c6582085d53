"""What `make test` leaves to `make test-all`: further cases of what another test shows too.

`make test-all` runs on each push, in a job of its own. A case is listed by a pattern of its id.
"""

from __future__ import annotations

import re

import pytest

#: By pattern of test ids, what of the same kind stays in `make test`.
LEFT_TO_TEST_ALL = {
    # Faults.
    r"test_chaos\.py::.*\[(?!.*SIGKILL of both #)"
    r"(?!redtrack: |everflow: `cut_body`|mautic: SIGKILL of PostgreSQL|posthog: connections cut)": (
        "SIGKILL of both for every source, all troubles of RedTrack, and one of each other kind"
    ),
    # Users' commands.
    r"test_backfill\.py::test_step_by_step_as_an_orchestrator_does": "slices by one command",
    r"test_backfill_limits\.py::test_a_backfill_and_an_hourly_run_": (
        "test_account_limits: processes share a store"
    ),
    r"test_backfill_limits\.py::test_slices_that_cannot_have_a_share_wait": (
        "test_no_share_is_rounded_up"
    ),
    r"test_backfill_limits\.py::test_one_request_cannot_be_shared": (
        "test_an_orchestrator_is_not_given_more_than_there_is"
    ),
    r"test_backfill_limits\.py::test_states_of_the_default_environment_are_removed": (
        "test_backfill: states go once all slices are loaded"
    ),
    r"test_backfill_limits\.py::test_the_environment_can_be_named": "the default environment",
    r"test_clean_up\.py::test_old_runs_go_and_the_state_stays\[sqlite\]": "in PostgreSQL",
    r"test_clean_up\.py::test_what_a_run_needs_that_goes_on_stays\[postgres\]": "in SQLite",
    r"test_remove_client\.py::test_rows_of_another_environment_": "rows of one environment",
    r"test_remove_client\.py::test_rows_in_the_embedded_database_": "rows in a server's database",
    r"test_remove_client\.py::test_rows_can_be_kept": "rows that are removed",
    r"test_remove_client\.py::test_a_schema_of_its_own_goes_too\[False\]": "one with other tables",
    # Pipelines.
    r"test_every_setting\.py::test_doing_what_the_messages_say_.*"
    r"\[tap-(?:gsheets|mautic|posthog|sticky-s3)\]": "tap-everflow, tap-redtrack and the loader",
    r"test_every_setting\.py::test_the_defaults_of_the_example_.*"
    r"\[tap-(?:everflow|mautic|posthog|redtrack)\]": "tap-gsheets and tap-sticky-s3",
    r"test_loader\.py::test_the_state_shows_progress_while_": "test_progress",
    r"test_loader_fails\.py::test_a_server_that_cannot_be_reached\[long\]": "a short run",
    r"test_logs\.py::test_the_loader_says_why_as_an_error\[env[12]": "a server, and a stream map",
    r"test_logs\.py::test_a_tap_says_why_as_an_error\[tap-(?:gsheets|mautic|posthog|redtrack)": (
        "tap-everflow and tap-sticky-s3"
    ),
    r"test_logs\.py::test_a_missing_package_is_an_error\[tap-everflow\]": "the loader's",
    r"test_posthog_to_postgres\.py::TestEventsThatShareAUuid::test_of_several_projects\[uuid\]": (
        "by identity"
    ),
    r"test_posthog_to_postgres\.py::TestEventsThatShareAUuid::test_a_table_by_uuid_.*\[\]": (
        "the stock loader's table"
    ),
    r"test_state_backends\.py::test_another_machine_goes_on\[s3\]": "in PostgreSQL",
    r"test_sticky_to_postgres\.py::test_headers_by_their_text_": "tap-sticky-s3's own tests",
    r"test_sticky_to_postgres\.py::test_a_killed_run_goes_on_": "test_chaos: sticky-s3",
    # The repository.
    r"test_bench\.py::test_a_benchmark_runs\[(?!pipe\])": "the benchmark of a pipe",
    r"test_bench\.py::test_a_year_of_two_taps_": "the benchmark of a pipe",
    r"test_bench\.py::test_the_large_one_runs_small": "the benchmark of a pipe",
    r"test_new_source\.py::test_what_fails_in_the_middle_": "a source that is made whole",
    r"test_other_projects\.py::test_the_commands_make_each_plugin_": (
        "test_hub: a tap is added to a project"
    ),
    r"test_other_projects\.py::test_from_the_wheels_": "test_packages: each wheel by itself",
    r"test_packages\.py::test_a_tap_works_from_its_wheel_alone"
    r"\[tap-(?:everflow|gsheets|posthog|redtrack)\]": "tap-mautic and tap-sticky-s3",
    # Security.
    r"test_planted\.py::test_what_is_planted_.*\[tap-mautic\]": "the three other vendors",
    r"test_security_bombs\.py::.*\[(?:a quote|tap-(?:gsheets|mautic|posthog|redtrack))\]": (
        "tap-everflow, and the other files"
    ),
    # Taps.
    r"test_everflow_reports\.py::TestCutReports::test_a_cut_day_.*\[1[02],000 rows": "10,001 rows",
    r"test_everflow_rows\.py::TestClicks::test_a_cut_span_is_halved\[(?:10000|35000)\]": (
        "10,001 rows"
    ),
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
    r"test_redtrack_reports\.py::test_a_day_with_more_rows_than_a_response\[.*-100[01]\]": (
        "999 and 2,000 rows"
    ),
    r"test_redtrack_reports\.py::test_pages_are_sorted_in_a_form_.*\[(?:False|True)-desc\]": (
        "in ascending order"
    ),
    r"test_sticky_csv_reader\.py::TestGrowth::test_time\[either-": "of the strict reader",
    r"test_sticky_day_files\.py::test_a_year_of_three_tables_.*\[3\]": "one file a day",
    # The loader's own server.
    r"test_target_embedded\.py::test_any_path_will_do\[(?!name0)": "the longest",
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
