"""S3: tap-sticky-s3 reads the same files from servers other than moto."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3

from tools.fidelity.environments import NodePackage, PythonPackages, Result, free_port, run_server
from tools.fidelity.recorder import recording_sandbox, run_tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tools.fidelity.recorder import Records

_BUCKET = "fidelity"
#: The credentials that s3rver expects; the other servers accept any.
_KEY, _SECRET = "S3RVER", "S3RVER"
_FOLDER = "orders-create"
_HEADER = b"orders_id,total_amount,billing_state\r\n"
#: Several days, and names and contents that servers and readers treat differently.
_FILES: dict[str, bytes] = {
    f"{_FOLDER}/report_2026-01-01_a.csv": _HEADER + b"1,95.00,TX\r\n2,,CA\r\n",
    f"{_FOLDER}/report_2026-01-02_b c+d%20e&f.csv": _HEADER + b'3,1.50,"a, ""b"""\r\n',
    f"{_FOLDER}/deep/er/report_2026-01-03_caf\u00e9.csv": b"\xef\xbb\xbf" + _HEADER + b"4,7,NY\n",
    f"{_FOLDER}/report_2026-01-04_only_header.csv": _HEADER,
    f"{_FOLDER}/report_2026-01-05_many.csv": _HEADER
    + b"".join(b"%d,%d.25,TX\r\n" % (number, number) for number in range(100, 3_000)),
}
#: Columns whose values differ between servers.
_OF_THE_SERVER = {"_loaded_at", "bucket", "_file_name", "_file_etag", "_file_last_modified"}


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: The address of the server.
        version: The name and version of its package.
    """

    url: str
    version: str


@contextmanager
def _s3rver(folder: Path) -> Iterator[Server]:
    package, port = NodePackage(folder / "env", "s3rver"), free_port()
    data = folder / "data"
    data.mkdir()
    options = ("--silent", "--address", "127.0.0.1", "--port", str(port), "--no-vhost-buckets")
    with run_server(package.bin / "s3rver", "--directory", data, *options, port=port) as url:
        _store(url)
        yield Server(url, package.version)


@contextmanager
def _fauxqs(folder: Path) -> Iterator[Server]:
    package, port = NodePackage(folder / "env", "fauxqs"), free_port()
    env = {"FAUXQS_PORT": str(port), "FAUXQS_LOGGER": "false"}
    with run_server(package.bin / "fauxqs", port=port, env=env) as url:
        _store(url)
        yield Server(url, package.version)


@contextmanager
def _localbucket(folder: Path) -> Iterator[Server]:
    package, port = PythonPackages(folder / "env", "localbucket"), free_port()
    data = folder / "data"
    data.mkdir()
    with run_server(package.bin / "localbucket", "--port", str(port), data, port=port) as url:
        _store(url)
        yield Server(url, package.versions("localbucket"))


@contextmanager
def _hadro(folder: Path) -> Iterator[Server]:
    """Run hadro, which is read-only: the files are written into the folder that it serves."""
    package, port = PythonPackages(folder / "env", "hadro"), free_port()
    for key, body in _FILES.items():
        path = folder / "data" / _BUCKET / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    command = (package.bin / "hadro", "--port", str(port), folder / "data")
    with run_server(*command, port=port) as url:
        yield Server(url, package.versions("hadro"))


def _store(url: str) -> None:
    keys = {"aws_access_key_id": _KEY, "aws_secret_access_key": _SECRET}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=_BUCKET)
    for key, body in _FILES.items():
        client.put_object(Bucket=_BUCKET, Key=key, Body=body)


def compare_rows(start: Callable[[Path], AbstractContextManager[Server]], folder: Path) -> Result:
    """Compare the rows from a server with those from the sandbox.

    Args:
        start: Runs the server, with the files in its bucket.
        folder: A folder for its environment and its files.

    Returns:
        The check's result.
    """
    _, sandbox_server = recording_sandbox(scale=0.01)
    with sandbox_server as sandbox:
        sandbox.control.s3.clear()
        for key, body in _FILES.items():
            sandbox.control.s3.put(key, body)
        ours = run_tap("tap-sticky-s3", sandbox, batch_config="")
        with start(folder) as server:
            settings: dict[str, Any] = {
                "endpoint_url": server.url,
                "bucket": _BUCKET,
                "aws_access_key_id": _KEY,
                "aws_secret_access_key": _SECRET,
            }
            theirs = run_tap("tap-sticky-s3", sandbox, **settings)
    rows = _rows(ours)
    return Result(
        server.version, f"{len(_FILES)} files, {len(rows)} rows", differences(rows, _rows(theirs))
    )


def differences(ours: list[str], theirs: list[str]) -> list[str]:
    """Describe the rows that only one of two servers has.

    Args:
        ours: The rows from the sandbox.
        theirs: The rows from the other server.

    Returns:
        A line per difference.
    """
    return [
        *(f"missing: {row}" for row in sorted({*ours} - {*theirs})),
        *(f"only there: {row}" for row in sorted({*theirs} - {*ours})),
        *([f"{len(theirs)} rows, not {len(ours)}"] if len(ours) != len(theirs) else []),
    ]


def _rows(records: Records) -> list[str]:
    return sorted(_line(stream, row) for stream, rows in records.items() for row in rows)


def _line(stream: str, row: dict[str, Any]) -> str:
    values = {name: value for name, value in row.items() if name not in _OF_THE_SERVER}
    key = str(row["_file_name"]).partition("/")[2]
    return json.dumps([stream, key, values], sort_keys=True, ensure_ascii=False)


CHECKS = {
    "s3rver": partial(compare_rows, _s3rver),
    "fauxqs": partial(compare_rows, _fauxqs),
    "localbucket": partial(compare_rows, _localbucket),
    "hadro": partial(compare_rows, _hadro),
}
