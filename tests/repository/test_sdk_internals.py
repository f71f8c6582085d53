"""Internals of the SDK and the stock target that the packages use: check them on an upgrade."""

from __future__ import annotations

from harness.sdk_internals import (
    final_methods,
    foreign_bases,
    own_classes,
    private_imports,
    private_members_by_class,
)

#: By class: private members of its foreign base classes that it overrides, or uses.
#: `python tests/harness/sdk_internals.py` prints them.
PRIVATE_MEMBERS = {
    "signalroom_singer.cli.command.ReadableErrorsMixin": {
        "_config",
        "_env_var_config",
        "_validate_config",
    },
    "signalroom_singer.isolated_stream.IsolatedStream": {"_sync_records", "_tap"},
    "signalroom_singer.stream.ManualBookmarkStream": {
        "_increment_stream_state",
        "_write_starting_replication_value",
    },
    "signalroom_singer.stream.SignalRoomStream": {
        "_generate_record_messages",
        "_generate_schema_messages",
        "_initialized_at",
        "_schema",
        "_stream_version",
        "_sync_records",
        "_tap",
        "_write_activate_version_message",
        "_write_state_message",
    },
    "signalroom_singer.tap.SignalRoomTap": {
        "_config",
        "_handle_termination",
        "_reset_state_progress_markers",
        "_validate_config",
    },
    "signalroom_target_postgres.connection.connector.PostgresConnector": {
        "_connect",
        "_engine",
        "_sqlalchemy_url",
    },
    "signalroom_target_postgres.sink.PostgresSink": {"_validator"},
    "signalroom_target_postgres.target.TargetPostgres": {
        "_config",
        "_handle_termination",
        "_process_activate_version_message",
        "_process_batch_message",
        "_process_record_message",
        "_process_schema_message",
        "_process_state_message",
        "_sinks_active",
        "_target_connector",
        "_validate_config",
    },
    "tap_gsheets.streams.SheetStream": {"_sync_records", "_write_state_message"},
    "tap_gsheets.tap.TapGsheets": {"_input_catalog"},
    "tap_sticky_s3.streams.base.StickyStream": {"_increment_stream_state"},
    "tap_sticky_s3.streams.files.FilesStream": {"_write_record_message", "_write_schema_message"},
    "tap_sticky_s3.streams.tables.TableStream": {
        "_input_schema",
        "_schema",
        "_stream_maps",
        "_sync_batches",
        "_tap",
        "_write_batch_message",
        "_write_schema_message",
        "_write_state_message",
    },
    "tap_sticky_s3.tap.TapStickyS3": {"_reset_state_progress_markers", "_validate_config"},
}
#: By module: what it imports that is private.
PRIVATE_IMPORTS = {
    "signalroom_singer.cli.command": {"singer_sdk.helpers._classproperty.classproperty"},
    "tap_sticky_s3.streams.tables": {
        "singer_sdk.helpers._batch.BaseBatchFileEncoding",
        "singer_sdk.helpers._batch.BatchConfig",
        "singer_sdk.helpers._batch.StorageTarget",
        "singer_sdk.helpers._catalog.get_selected_schema",
    },
}


def test_nothing_that_is_final_is_overridden():
    classes = [*own_classes()]
    assert classes
    for cls in classes:
        for base in foreign_bases(cls):
            assert not {*vars(cls)} & final_methods(base), (
                f"{cls} overrides what {base} has as final"
            )


def test_private_members_are_those_that_are_listed():
    assert private_members_by_class() == PRIVATE_MEMBERS


def test_private_imports_are_those_that_are_listed():
    assert private_imports() == PRIVATE_IMPORTS
