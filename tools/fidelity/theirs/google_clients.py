"""Read the sandbox's spreadsheets with Google's client and with gspread, and compare the cells.

Runs in a separate environment: addresses and a key as JSON in, a report as JSON out.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gspread
from google.oauth2.service_account import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from gspread.http_client import HTTPClient

SCOPES = [
    f"https://www.googleapis.com/auth/{name}"
    for name in ("spreadsheets.readonly", "drive.metadata.readonly")
]
_HOSTS = ("https://sheets.googleapis.com", "https://www.googleapis.com")


def gspread_client(url: str, credentials: Credentials) -> gspread.Client:
    """Create a client of gspread, with the sandbox's address instead of Google's."""

    class Redirected(HTTPClient):
        def request(self, method: str, endpoint: str, *args: Any, **options: Any) -> Any:
            for host in _HOSTS:
                endpoint = endpoint.replace(host, url)
            return super().request(method, endpoint, *args, **options)

    return gspread.Client(credentials, http_client=Redirected)


def service(name: str, version: str, url: str, credentials: Credentials) -> Any:
    """Create Google's client of an API, with the sandbox's address instead of Google's."""
    document = json.loads(get_static_doc(name, version))
    document["rootUrl"] = f"{url}/"
    options = {"api_endpoint": f"{url}/{document['servicePath']}"}
    return build_from_document(document, credentials=credentials, client_options=options)


def without_blanks(rows: list[list[Any]]) -> list[list[str]]:
    """The cells as text, without trailing blanks and without blank rows."""
    texts = [[str(cell) for cell in row] for row in rows]
    for row in texts:
        while row and not row[-1]:
            row.pop()
    return [row for row in texts if row]


def main() -> None:
    """Read the input and print the report."""
    about = json.load(sys.stdin)
    credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        about["key"], scopes=SCOPES
    )
    sheets = service("sheets", "v4", about["url"], credentials).spreadsheets()
    files = service("drive", "v3", about["url"], credentials).files()
    other = gspread_client(about["url"], credentials)
    differences, tabs, rows = [], 0, 0
    for book in about["books"]:
        spreadsheet = sheets.get(spreadsheetId=book).execute()
        name = files.get(fileId=book, fields="name", supportsAllDrives=True).execute()["name"]
        if name != spreadsheet["properties"]["title"]:
            differences.append(f"{book}: Drive calls it {name}")
        hidden = {
            sheet["properties"]["title"]: sheet["properties"].get("hidden", False)
            for sheet in spreadsheet["sheets"]
        }
        titles = [*hidden]
        ranges = ["'" + title.replace("'", "''") + "'" for title in titles]
        answer = sheets.values().batchGet(spreadsheetId=book, ranges=ranges).execute()
        theirs = {
            tab.title: without_blanks(tab.get_all_values())
            for tab in other.open_by_key(book).worksheets()
        }
        for title, values in zip(titles, answer["valueRanges"], strict=True):
            cells = without_blanks(values.get("values", []))
            tabs += 1
            # The tap leaves hidden tabs out.
            rows += 0 if hidden[title] else max(0, len(cells) - 1)
            if cells != theirs[title]:
                differences.append(
                    f"{title}: Google's client {cells[:2]}, gspread {theirs[title][:2]}"
                )
    sys.stdout.write(json.dumps({"tabs": tabs, "rows": rows, "differences": differences}))


if __name__ == "__main__":
    main()
