"""A simple tap, built on the SDK alone: ``peer_sdk.py ENDPOINT BUCKET``."""

from __future__ import annotations

import csv
import io
import sys

import boto3
from singer_sdk import Stream, Tap
from singer_sdk import typing as th

from signalroom_sandbox.sticky_s3.exports import HEADER

ENDPOINT, BUCKET = sys.argv[1:]


class Orders(Stream):
    """All rows of all files."""

    name = "orders_create"
    primary_keys = ("_file_name", "_row_id")
    schema = th.PropertiesList(
        th.Property("_file_name", th.StringType),
        th.Property("_row_id", th.IntegerType),
        *(th.Property(name.lower().replace(" ", "_"), th.StringType) for name in HEADER),
    ).to_dict()

    def get_records(self, context):  # noqa: ARG002
        """The rows as the csv module returns them."""
        s3 = boto3.client(
            "s3",
            endpoint_url=ENDPOINT,
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
            region_name="us-east-1",
        )
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for entry in page["Contents"]:
                body = s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
                reader = csv.reader(io.StringIO(body.decode(), newline=""))
                names = [name.lower().replace(" ", "_") for name in next(reader)]
                for number, row in enumerate(reader):
                    yield {
                        "_file_name": f"{BUCKET}/{entry['Key']}",
                        "_row_id": number,
                        **dict(zip(names, row, strict=True)),
                    }


class PlainTap(Tap):
    """The tap."""

    name = "tap-plain"

    def discover_streams(self):
        """The only stream."""
        return [Orders(self)]


PlainTap().sync_all()
