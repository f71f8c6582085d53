"""dlt loads the files: ``peer_dlt.py arrow|dicts ENDPOINT BUCKET POSTGRES FOLDER``.

Run with the peers' Python. As the pipeline that SignalRoom replaces did it, rows are merged by file
and number.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from urllib.parse import parse_qsl, quote, urlparse

import boto3
import dlt
import pyarrow as pa
from pyarrow import csv as arrow_csv

form, endpoint, bucket, postgres, folder = sys.argv[1:]
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    aws_access_key_id="bench",
    aws_secret_access_key="bench",
    region_name="us-east-1",
)


def files():
    """The names and contents of the files."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page["Contents"]:
            body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            yield f"{bucket}/{entry['Key']}", body


def arrow():
    """The rows as tables, in which every column is text."""
    for name, body in files():
        header = next(csv.reader(io.StringIO(body[: 1 << 16].decode(errors="ignore"))))
        texts = arrow_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()))
        table = arrow_csv.read_csv(pa.BufferReader(body), convert_options=texts)
        table = table.append_column("_file_name", pa.array([name] * table.num_rows))
        yield table.append_column("_row_id", pa.array(range(table.num_rows)))


def dicts():
    """The rows as the csv module returns them."""
    for name, body in files():
        for number, row in enumerate(csv.DictReader(io.StringIO(body.decode(), newline=""))):
            yield {**row, "_file_name": name, "_row_id": number}


resource = dlt.resource(
    {"arrow": arrow, "dicts": dicts}[form],
    name="orders_create",
    primary_key=("_file_name", "_row_id"),
    write_disposition="merge",
)
address = urlparse(postgres)
options = dict(parse_qsl(address.query))
credentials = {
    "drivername": "postgresql",
    "username": address.username,
    "password": "none",  # dlt insists on one
    "host": quote(options["host"], safe=""),  # a folder, with the server's socket
    "port": int(options["port"]),
    "database": address.path.strip("/"),
}
pipeline = dlt.pipeline(
    "bench",
    pipelines_dir=folder,
    destination=dlt.destinations.postgres(credentials),
    dataset_name="bench",
)
pipeline.run(resource)
