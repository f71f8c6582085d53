"""Files on their way to the target."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

import pytest
from sticky_exports import DAY, batch_rows, export, orders

from tap_sticky_s3.batch_store import BatchStore

LOGGER = logging.getLogger("test")


@pytest.fixture
def store(tmp_path):
    store = BatchStore("arrow", tmp_path.as_uri(), "acme-", max_pending=2, logger=LOGGER)
    yield store
    store.close()


def write_file(store):
    path = store.new_path()
    path.write_bytes(b"rows")
    return path


def remove_as_target(path):
    """As a target does that knows what the folder's name means."""
    path.unlink()
    path.parent.rmdir()


def test_the_tap_waits_until_the_target_has_loaded_some(store):
    paths = [write_file(store) for _ in range(3)]
    for path in paths[:2]:
        store.hand_over([path])
    sent = threading.Event()
    sender = threading.Thread(target=lambda: (store.hand_over([paths[2]]), sent.set()))
    sender.start()
    assert not sent.wait(0.2)
    remove_as_target(paths[0])
    assert sent.wait(120)  # ends a hang
    sender.join()


def test_the_files_of_a_message_wait_together(store):
    groups = [[write_file(store) for _ in range(3)] for _ in range(3)]
    for paths in groups[:2]:
        assert store.hand_over(paths) == [path.as_uri() for path in paths]
    sent = threading.Event()
    sender = threading.Thread(target=lambda: (store.hand_over(groups[2]), sent.set()))
    sender.start()
    for path in groups[0][:2]:
        remove_as_target(path)
    assert not sent.wait(0.2)
    remove_as_target(groups[0][2])
    assert sent.wait(5)
    sender.join()


def test_a_target_that_has_died_is_not_waited_for(store, monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        for _ in range(2):
            store.hand_over([write_file(store)])
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            store.hand_over([write_file(store)])


def test_a_target_that_removes_nothing_is_not_waited_for_forever(store, caplog):
    store._patience = 0.1
    for _ in range(5):
        store.hand_over([write_file(store)])
    assert caplog.text.count("does not remove the batch files") == 1


def test_files_that_were_not_sent_are_removed(store, tmp_path):
    sent, unsent = write_file(store), write_file(store)
    assert store.hand_over([sent]) == [sent.as_uri()]
    assert sent.name == "acme-rows.arrow"
    store.close()
    assert sent.exists()
    assert not unsent.parent.exists()


def test_files_of_killed_runs_are_removed(store, tmp_path):
    old, young, other = (
        tmp_path / name for name in ("signalroom-batch-a", "signalroom-batch-b", "c")
    )
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "rows.arrow").write_bytes(b"x")
        when = time.time() - (60 if folder is young else 10 * 24 * 3600)
        os.utime(folder, (when, when))
    store.new_path()
    assert not old.exists()
    assert young.exists()
    assert other.exists()


def test_a_run_with_records_leaves_no_files(s3, make_tap, sync, tmp_path):
    root = tmp_path / "root"
    batch = {"encoding": {"format": "arrow"}, "storage": {"root": root.as_uri()}}
    s3.put(DAY.format(1), export(*orders(3)))
    output = sync(
        make_tap(batch_config=batch, column_types={"orders_id": "integer"}), "orders_create"
    )
    assert len(output.records["orders_create"]) == 3
    assert list(root.iterdir()) == []


def test_each_file_has_a_folder_that_a_target_may_remove(s3, make_tap, sync, batches, tmp_path):
    for day in (1, 2):
        s3.put(DAY.format(day), export(*orders(3)))
    output = sync(make_tap(**batches), "orders_create")
    assert len(batch_rows(output, "orders_create")) == 6
    folders = list((tmp_path / "batches").iterdir())
    assert len(folders) == 2
    assert all(folder.name.startswith("signalroom-batch-") for folder in folders)
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)
