"""What `make test` leaves to `make test-all`: further cases of what another test shows too.

`make test-all` runs on each push, in a job of its own. A case is listed by a pattern of its id.
"""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

#: By pattern of test ids, what of the same kind stays in `make test`.
LEFT_TO_TEST_ALL = {
    # Faults.
    r"test_chaos\.py::.*\[(?!.*SIGKILL of both #)"
    r"(?!redtrack: |everflow: `cut_body`|gsheets: SIGKILL of PostgreSQL|mautic: connections cut)": (
        "SIGKILL of both for every source, all troubles of RedTrack, and one of each other kind"
    ),
    # Users' commands.
    r"test_backfill\.py::test_after_a_backfill_the_range_": "test_slices_are_as_one_run: one table",
    r"test_clean_up\.py::test_a_role_that_may_not_delete_": "test_databases_that_are_not_there",
    r"test_clean_up\.py::test_files_of_runs_that_are_past\[postgres\]": "in SQLite",
    r"test_clean_up\.py::test_what_a_run_needs_that_goes_on_stays": (
        "test_files_of_runs_that_are_past: files of new runs"
    ),
    r"test_clients\.py::test_a_client_signs_in_by_none_of_": "a client whose key is missing",
    r"test_clients\.py::test_a_client_that_was_named_as_": "a client's name that is refused",
    r"test_clients\.py::test_a_schema_of_its_own": "test_remove_client: one of its own",
    r"test_remove_client\.py::test_a_client_id_from_a_variable": "an id in the file",
    r"test_remove_client\.py::test_variables_of_others_need_": "a client with its variables",
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
    r"test_remove_client\.py::test_rows_of_another_environment_": "rows of one environment",
    r"test_remove_client\.py::test_rows_in_the_embedded_database_": "rows in a server's database",
    r"test_remove_client\.py::test_rows_can_be_kept": "rows that are removed",
    r"test_remove_client\.py::test_a_schema_of_its_own_goes_too\[False\]": "one with other tables",
    # Pipelines.
    r"test_account_limits\.py::test_processes_share_what_is_under_way\[postgres\]": "in Redis",
    r"test_everflow_to_postgres\.py::test_state_can_be_listed_": (
        "test_states_are_as_the_readme_shows_them"
    ),
    r"test_everflow_to_postgres\.py::test_the_legacy_columns_come_first_": (
        "the legacy queries, to the cent"
    ),
    r"test_everflow_to_postgres\.py::test_what_users_call_besides_run": (
        "test_every_command_of_the_readme_works"
    ),
    r"test_loader\.py::test_a_project_with_the_variant_of_before_": "a project with ours",
    r"test_loader_fails\.py::test_a_setting_that_is_wrong": "test_logs: a setting of the tap",
    r"test_loader_fails\.py::test_a_table_that_cannot_take_": "test_logs: what the server refuses",
    r"test_loader_fails\.py::test_a_tap_that_waits_for_a_slow_vendor_": "a database that goes away",
    r"test_mautic_to_postgres\.py::test_it_equals_the_instance_.*\[5\]": "version 6",
    r"test_posthog_to_postgres\.py::test_a_stream_without_permission_": "the tap's own tests",
    r"test_redtrack_to_postgres\.py::test_a_failing_run_keeps_": "of tap-everflow",
    r"test_every_setting\.py::test_doing_what_the_messages_say_.*"
    r"\[tap-(?!everflow)": "tap-everflow and the loader",
    r"test_every_setting\.py::test_the_defaults_of_the_example_.*"
    r"\[tap-(?!sticky-s3)": "tap-sticky-s3",
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
    r"test_posthog_to_postgres\.py::TestEventsThatShareAUuid::test_a_table_by_uuid_": (
        "a new table by identity"
    ),
    r"test_state_backends\.py::test_another_machine_goes_on\[s3\]": "in PostgreSQL",
    r"test_sticky_to_postgres\.py::test_headers_by_their_text_": "tap-sticky-s3's own tests",
    r"test_sticky_to_postgres\.py::test_a_killed_run_goes_on_": "test_chaos: sticky-s3",
    # The repository.
    r"test_packages\.py::test_the_(?:loader_alone_|commands_work_)": (
        "the loader, the kit and the sandbox from their wheels"
    ),
    r"test_repository\.py::test_what_follows_from_the_settings_": "make lint does the same",
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
    r"test_security_transport\.py::test_no_redirect_is_followed"
    r"\[tap-(?:everflow|posthog|redtrack)": "the three others, of which two request tokens",
    r"test_kit_redaction\.py::test_no_output_of_a_run_has_the_key\[.*--test\]": "in a run",
    r"test_planted\.py::test_what_is_planted_.*\[tap-mautic\]": "the three other vendors",
    r"test_security_bombs\.py::.*\[(?:a quote|tap-(?:gsheets|mautic|posthog|redtrack))\]": (
        "tap-everflow, and the other files"
    ),
    # Taps.
    r"test_everflow_client\.py::test_a_passing_fault_.*\[(?:http_50[02]|http_429-{'retry)": (
        "one fault of each kind"
    ),
    r"test_everflow_rows\.py::TestClicks::test_a_second_that_is_cut_": "a span that is cut",
    r"test_mautic_client\.py::TestServers::test_what_passes_.*\[(?!.*-contacts\])": "of contacts",
    r"test_mautic_contacts\.py::TestWhole::test_each_once\[(?:17|1000)-[456]\]": "version 7",
    r"test_mautic_contacts\.py::TestChanges::test_edited_and_added_ones\[[56]\]": (
        "versions 4 and 7"
    ),
    r"test_mautic_entities\.py::test_each_once\[.*-(?:3-[46]|200-[467])\]": (
        "version 7, three rows at a time"
    ),
    r"test_mautic_relations\.py::test_associations_to_many_are_objects\[(?:emails|pages)-": (
        "of campaigns, forms and others"
    ),
    r"test_mautic_roles\.py::TestFirstRun::test_of_other_lists\[.*-5\]": "version 7",
    r"test_mautic_roles\.py::TestFirstRun::test_it_is_noticed\[.*-5\]": "version 7",
    r"test_mautic_roles\.py::TestConnectionTest::test_it_says_so\[.*-5\]": "version 7",
    r"test_mautic_roles\.py::TestNoFalseAlarm::test_with_every_right\[[56]\]": "versions 4 and 7",
    r"test_mautic_scopes\.py::TestContacts::test_deleted_and_merged_ones\[[456]\]": "version 7",
    r"test_mautic_scopes\.py::TestRoles::test_few_contacts_are_of_others\[.*-[56]\]": "version 7",
    r"test_mautic_scopes\.py::TestStatistics::test_rows_of_contacts_.*\[lead_": (
        "campaign_lead_event_log"
    ),
    r"test_mautic_scopes\.py::TestStatistics::test_whatever_happens_.*\[[12]\]": "another seed",
    r"test_mautic_stats\.py::TestTables::test_tables_without_an_id\[179-": "other page sizes",
    r"test_posthog_client\.py::TestFaults::test_a_transient_fault_.*\[http_50[02]\]": "http_503",
    r"test_posthog_events\.py::TestContents::test_odd_properties\[False-": "with personal data",
    r"test_posthog_events\.py::TestEachOnce::test_all_events_of_the_days_.*\[(?:7|10000)\]": (
        "other page sizes"
    ),
    r"test_posthog_events\.py::TestEachOnce::test_rows_that_exist_twice": (
        "test_posthog_identity: events that share one"
    ),
    r"test_posthog_events\.py::TestEachOnce::test_twenty_thousand_": "thousands in one moment",
    r"test_posthog_events\.py::TestRowsOfAnotherTime::.*\[.*-(?:America|Asia)/": "two other zones",
    r"test_posthog_events\.py::TestSize::test_a_size_that_was_too_slow_": (
        "windows that grow again"
    ),
    r"test_posthog_identity\.py::TestEndsOfPages::.*\[\w+-(?:3|100)": "other page sizes",
    r"test_posthog_persons\.py::TestChanges::test_merged_persons_.*\[(?:172800|3600)\]": (
        "one span of time"
    ),
    r"test_posthog_persons\.py::TestTooSlow::test_(?:of_all_ages|in_another_zone)": (
        "ranges that are halved"
    ),
    r"test_posthog_scopes\.py::test_deleted_events_.*\[(?:uuid-created_at|identity-timestamp)\]": (
        "the other two of keys and bookmarks"
    ),
    r"test_posthog_scopes\.py::test_each_scope_.*-7\]": "other page sizes",
    r"test_posthog_scopes\.py::test_events_that_come_and_go_.*\[[19]\]": "before another page",
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
    r"test_posthog_persons\.py::TestTooSlow::test_ranges_are_halved\[(0|7200)-504\]": (
        "ranges of days"
    ),
    r"test_redtrack_reports\.py::test_a_day_with_more_rows_than_a_response\[.*-100[01]\]": (
        "999 and 2,000 rows"
    ),
    r"test_redtrack_reports\.py::test_pages_are_sorted_in_a_form_.*\[(?:False|True)-desc\]": (
        "in ascending order"
    ),
    r"test_redtrack_client\.py::test_a_transient_fault_.*\[http_50[02]\]": "http_503",
    r"test_redtrack_reports\.py::test_a_year_takes_the_fewest_": "a day with more rows",
    r"test_sticky_csv_reader\.py::TestGrowth::test_time\[(?!strict-bad rows)": "bad rows",
    r"test_sticky_faults\.py::TestWideEncodings::test_they_are_bad_.*\[utf-(?:16-be|32-le)\]": (
        "utf-16-le"
    ),
    r"test_sticky_header_check\.py::TestTables::test_a_bad_file_is_loaded_.*\[True-": (
        "files by themselves"
    ),
    r"test_sticky_memory\.py::test_a_quote_that_is_never_closed_": (
        "test_sticky_csv_reader: bad rows take no longer than their size"
    ),
    r"test_sticky_day_files\.py::test_a_year_of_three_tables_.*\[3\]": "one file a day",
    # The loader's own server.
    r"test_target_embedded\.py::test_any_path_will_do\[(?!name0)": "the longest",
    r"test_target_resilience\.py::test_a_kill_at_any_moment_.*\[[4-7]\]": "four other moments",
}

#: The same patterns by the name of their module: matching each with each test takes a second.
_BY_MODULE = defaultdict(list)
for _pattern in LEFT_TO_TEST_ALL:
    _BY_MODULE[_pattern.partition(r"\.py::")[0]].append(re.compile(_pattern))


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
    module = test.partition(".py::")[0].rpartition("/")[2]
    return any(pattern.search(test) for pattern in _BY_MODULE.get(module, ()))
