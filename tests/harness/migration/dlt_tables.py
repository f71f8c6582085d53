"""Load records with dlt, as the pipeline before did; runs in an environment that has dlt.

    python dlt_tables.py SPEC.json

The specification lists runs: the dataset, its tables, each with its write disposition, primary key
and records. A run of the same dataset continues the one before.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import dlt


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    for run in spec["runs"]:
        resources = [
            dlt.resource(
                table["records"],
                name=table["name"],
                write_disposition=table["write_disposition"],
                primary_key=table.get("primary_key"),
            )
            for table in run["tables"]
        ]
        pipeline = dlt.pipeline(
            pipeline_name=run["dataset"],
            destination=dlt.destinations.postgres(os.environ["LEGACY_POSTGRES"]),
            dataset_name=run["dataset"],
            pipelines_dir=spec["pipelines_dir"],
        )
        source = dlt.source(_given, name=run["dataset"])(resources)
        pipeline.run(source).raise_on_failed_jobs()


def _given(resources: list) -> list:
    return resources


main()
