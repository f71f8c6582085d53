"""A store with many small files that is slow to answer: ``slow_s3.py FILES ROWS LATENCY``.

Only what the tap needs, for a tenth of moto's CPU seconds: with moto most of what is measured would
be moto's. Prints its address and the table's expected sums; ends with its standard input, and
prints how many requests came.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

from files import PREFIX
from fill import CONTENTS, FIRST, sums_of

from signalroom_sandbox.sticky_s3.exports import export

BUCKET, PAGE = "exports", 1_000
MODIFIED = "Mon, 01 Jan 2024 12:00:00 GMT", "2024-01-01T12:00:00.000Z"
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class SlowStore:
    """A bucket whose files repeat a few contents.

    Args:
        files: How many files there are.
        rows: The rows of each.
        latency: Seconds until a request is answered.
    """

    def __init__(self, files: int, rows: int, latency: float) -> None:
        days = [FIRST + timedelta(days=day) for day in range(CONTENTS)]
        self._bodies = [export(PREFIX, day, rows) for day in days]
        self._etags = [hashlib.sha256(body).hexdigest() for body in self._bodies]
        names = (
            f"{PREFIX}/{FIRST + timedelta(days=number // 24)}-{number:05}.csv"
            for number in range(files)
        )
        self._contents = {name: number % CONTENTS for number, name in enumerate(names)}
        self._latency = latency
        sums = [sums_of(body) for body in self._bodies]
        of_files = [sums[number % CONTENTS] for number in range(files)]
        self.expected = [sum(column) for column in zip(*of_files, strict=True)]
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests += 1
                await asyncio.sleep(self._latency)
                line, *lines = head.split("\r\n")
                fields = dict(line.split(": ", 1) for line in lines if line)
                status, headers, body = self._answer(line.split(" ")[1], fields)
                headers["Content-Length"] = str(len(body))
                text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                start = f"HTTP/1.1 {status.value} {status.phrase}\r\n{text}\r\n"
                writer.write(start.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    def _answer(self, target: str, fields: dict[str, str]) -> tuple[HTTPStatus, dict, bytes]:
        parts = urlsplit(target)
        key = unquote(parts.path).removeprefix(f"/{BUCKET}").lstrip("/")
        if not key:
            return HTTPStatus.OK, {"Content-Type": "application/xml"}, self._list(parts.query)
        which = self._contents[key]
        body = self._bodies[which]
        headers = {"ETag": f'"{self._etags[which]}"', "Last-Modified": MODIFIED[0]}
        part = _RANGE.fullmatch(fields.get("Range", ""))
        if part is None:
            return HTTPStatus.OK, headers, body
        first, last = int(part[1]), min(int(part[2]), len(body) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return HTTPStatus.PARTIAL_CONTENT, headers, body[first : last + 1]

    def _list(self, query: str) -> bytes:
        begin = int(parse_qs(query).get("continuation-token", ["0"])[0])
        keys = [*self._contents]
        page, end = keys[begin : begin + PAGE], begin + PAGE
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{MODIFIED[1]}</LastModified>"
            f'<ETag>"{self._etags[self._contents[key]]}"</ETag>'
            f"<Size>{len(self._bodies[self._contents[key]])}</Size></Contents>"
            for key in page
        )
        more = end < len(keys)
        token = f"<NextContinuationToken>{end}</NextContinuationToken>" if more else ""
        return (
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{BUCKET}'
            f"</Name><KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{entries}</ListBucketResult>"
        ).encode()


async def main() -> None:
    """Serve until standard input ends."""
    files, rows, latency = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    store = SlowStore(files, rows, latency)
    server = await asyncio.start_server(store.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(json.dumps({"endpoint": f"http://{host}:{port}", "expected": store.expected}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(store.requests, flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
