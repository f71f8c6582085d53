"""A tap's catalog against its snapshots, and the Singer SDK's own suite, each within a test.

So importing the tests starts no server.

`singer_sdk.testing.get_tap_test_class` makes the tap while pytest collects, as each stream and
each column becomes a test. Here a stream is a subtest, and each of its columns a check of its own:
the SDK's class (0.54.9) tests all later columns with the values of the first one
(``findings/sdk_suite_checks_one_column.sh``).
"""

from __future__ import annotations

import json

from singer_sdk.testing import SuiteConfig
from singer_sdk.testing.runners import TapTestRunner
from singer_sdk.testing.suites import tap_stream_attribute_tests, tap_stream_tests, tap_tests
from syrupy.extensions.json import JSONSnapshotExtension

#: Records that a dry run reads of each stream.
_DRY_RUN_RECORDS = 20


def check_catalog(tap_class, config, snapshot, subtests):
    """Compare each stream of a tap's catalog with its snapshot, a file for each stream.

    Args:
        tap_class: The tap.
        config: Its settings.
        snapshot: syrupy's fixture.
        subtests: pytest's fixture.
    """
    for entry in json.loads(json.dumps(tap_class(config=config).catalog_dict))["streams"]:
        with subtests.test(stream=entry["stream"]):
            assert entry == snapshot(name=entry["stream"], extension_class=JSONSnapshotExtension)


def run_sdk_suite(tap_class, config, subtests):
    """Run all of the SDK's tests of a tap.

    Args:
        tap_class: The tap, with each stream that is to be tested selected.
        config: Its settings.
        subtests: pytest's fixture.

    Returns:
        How many checks were made of each kind: ``tap``, ``tap_stream``, ``tap_stream_attribute``.
    """

    class EveryStream(tap_class):
        """The tap with every stream on: the suite needs records of each."""

        def discover_streams(self):
            streams = super().discover_streams()
            for stream in streams:
                stream.selected_by_default = True
            return streams

    suite_config = SuiteConfig(max_records_limit=_DRY_RUN_RECORDS)
    runner = TapTestRunner(EveryStream, config=config, suite_config=suite_config)
    runner.sync_all()
    tap = runner.new_tap()
    checks = {suite.kind: 0 for suite in (tap_tests, tap_stream_tests, tap_stream_attribute_tests)}
    for template in tap_tests.tests:
        with subtests.test(template.name):
            template().run(suite_config, None, runner)
        checks["tap"] += 1
    for stream in tap.streams.values():
        for template in tap_stream_tests.tests:
            with subtests.test(template.name, stream=stream.name):
                template().run(suite_config, None, runner, stream)
            checks["tap_stream"] += 1
        with subtests.test("columns", stream=stream.name):
            checks["tap_stream_attribute"] += _check_columns(stream, suite_config, runner)
    tap.close()
    return checks


def _check_columns(stream, suite_config, runner):
    """Run the SDK's tests of a stream's columns; gives how many there were."""
    checks = 0
    for name, schema in stream.stream_maps[-1].transformed_schema["properties"].items():
        for template in tap_stream_attribute_tests.tests:
            if template.evaluate(stream=stream, property_name=name, property_schema=schema):
                template().run(suite_config, None, runner, stream, name)
                checks += 1
    return checks
