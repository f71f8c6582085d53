"""Full tables of an SDK tap through Meltano, which tells the loader nothing of the tap's end."""

from __future__ import annotations

import stat
import sys

import pytest
from harness.pipelines import BIN, new_project

pytestmark = pytest.mark.e2e

# The SDK sends a STATE after 10,000 records, and ACTIVATE_VERSION before the first of them.
TAP = '''
"""A shop with more orders than the SDK sends between two states."""

import os

from singer_sdk import Stream, Tap
from singer_sdk import typing as th


class Orders(Stream):
    name = "orders"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType), th.Property("name", th.StringType)
    ).to_dict()

    def get_records(self, context):
        first, count = int(os.environ["FIRST"]), int(os.environ.get("COUNT", 10_500))
        for number in range(first, first + count):
            if number - first == int(os.environ.get("DIES_AFTER", -1)):
                raise RuntimeError("the shop has gone")
            yield {"id": number, "name": os.environ["FIRST"]}


class TapShop(Tap):
    name = "tap-shop"
    config_jsonschema = th.PropertiesList().to_dict()

    def discover_streams(self):
        return [Orders(self)]


TapShop.cli()
'''
PLUGIN = """plugins:
  extractors:
  - name: tap-shop
    namespace: tap_shop
    executable: ./run-tap-shop
    capabilities: [catalog, discover, state]
    settings:
    - name: emit_activate_version_messages
      kind: boolean
      value: true
"""
RANGE = "select count(*) as rows, min(id) as first, max(id) as last from tap_shop.orders"


@pytest.fixture
def shop(tmp_path, meltano_template, sandbox, database, zygote):
    """A project with a tap that is not ours, which the script of the guide runs."""
    made = new_project(
        tmp_path / "project", meltano_template, sandbox, database, programs=zygote.bin
    )
    (made.folder / "tap_shop.py").write_text(TAP)
    script = made.folder / "run-tap-shop"
    program = f"{BIN / 'signalroom-run-tap'} {sys.executable} {made.folder / 'tap_shop.py'}"
    script.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
    script.chmod(stat.S_IRWXU)
    (made.folder / "clients").mkdir(exist_ok=True)
    (made.folder / "clients" / "shop.yml").write_text(PLUGIN)

    def run(first, code=0, **env):
        env |= {"FIRST": str(first), "TARGET_POSTGRES_LOAD_METHOD": "overwrite"}
        output = made.load(tap="tap-shop", code=code, **env)
        return output, [*database.query(RANGE)[0].values()]

    return run


def test_a_tap_that_ends_well_and_one_that_dies(shop):
    _, first = shop(1)
    assert first == [10_500, 1, 10_500]
    # Right after a state, which says as much of the end as any other message: nothing.
    output, after_death = shop(10_001, code=1, DIES_AFTER="10000")
    assert after_death == [10_500, 1, 10_500]
    assert "the shop has gone" in output
    assert "orders (10,000 rows for tap_shop.orders)" in output
    assert "Extractor and loader failed" in output
    _, second = shop(10_001)
    assert second == [10_500, 10_001, 20_500]
    _, empty = shop(1, COUNT="0")
    assert empty == [0, None, None]
