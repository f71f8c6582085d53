"""Google's endpoints: tokens, spreadsheets, values, files.

https://developers.google.com/sheets/api/reference/rest
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import Route

from signalroom_sandbox.gsheets import a1, cells, masks
from signalroom_sandbox.gsheets.access import (
    CLIENT_EMAIL,
    DRIVE_SCOPES,
    PERSON,
    SHEETS_SCOPES,
    Access,
    TokenError,
)
from signalroom_sandbox.gsheets.errors import ApiError
from signalroom_sandbox.gsheets.world import SHEET, Spreadsheet, initial_books
from signalroom_sandbox.vendor import Vendor, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

_RENDERS = {"FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"}
_DATES = {"SERIAL_NUMBER", "FORMATTED_STRING"}
_BEGIN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass
class Google(Vendor):
    """Google with the spreadsheets of a service account and of a person."""

    access: Access = field(default_factory=Access, init=False)
    books: dict[str, Spreadsheet] = field(init=False)
    #: What happens after the next response to a kind of request.
    between: list[tuple[str, Callable[[], None]]] = field(init=False)

    def reset(self) -> None:
        """Undo what tests changed; issued tokens stay valid."""
        super().reset()
        tokens = self.access.tokens
        self.access = Access()
        self.access.tokens = tokens
        self.between = []
        self.books = {book.id: book for book in initial_books(self.seed, self.scale)}
        for book in self.books.values():
            book.readers |= {CLIENT_EMAIL, PERSON}

    def advance(self, by: timedelta) -> None:
        """Do nothing: no cell depends on the clock, and tokens expire by the machine's."""

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/token", self._token, methods=["POST"]),
                Route("/v4/spreadsheets/{id}", self._handler("get", self._get)),
                Route(
                    "/v4/spreadsheets/{id}/values:batchGet", self._handler("values", self._batch)
                ),
                Route(
                    "/v4/spreadsheets/{id}/values/{range:path}",
                    self._handler("values", self._values),
                ),
                Route("/drive/v3/files/{id}", self._handler("file", self._file)),
            ]
        )

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        try:
            return _json(self.access.grant(form))
        except TokenError as error:
            return _json(error.body, error.status)

    def _handler(self, kind: str, act: Callable[[Request, str | None], Any]) -> Any:
        scopes = DRIVE_SCOPES if kind == "file" else SHEETS_SCOPES

        async def endpoint(request: Request) -> Response:
            await self.delay()
            key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
            try:
                user = self.access.user(request.headers.get("authorization"), key, scopes)
                if kind != "file":
                    self.access.take(user)
                answer = _json(act(request, user))
            except ApiError as error:
                return _json(error.body, error.status)
            for place, (after, happen) in enumerate(self.between):
                if after == kind:
                    del self.between[place]
                    happen()
                    break
            return answer

        return endpoint

    def _book(self, request: Request, user: str | None) -> Spreadsheet:
        book = self.books.get(request.path_params["id"])
        if book is None:
            raise ApiError(404, "Requested entity was not found.")
        if not book.public and user not in book.readers:
            raise ApiError(403, "The caller does not have permission")
        if book.mime != SHEET:
            raise ApiError(
                400,
                "This operation is not supported for this document",
                status="FAILED_PRECONDITION",
            )
        return book

    def _get(self, request: Request, user: str | None) -> Any:
        book = self._book(request, user)
        query = request.query_params
        mask = masks.parse(query["fields"], masks.SPREADSHEET) if "fields" in query else None
        areas = [a1.parse(book, text) for text in query.getlist("ranges")]
        with_cells = query.get("includeGridData") == "true" if mask is None else True
        has_data = mask is None or "data" in mask.get("sheets", {}) or "*" in mask
        answer = {
            "spreadsheetId": book.id,
            "properties": {
                "title": book.title,
                "locale": book.locale,
                "autoRecalc": "ON_CHANGE",
                "timeZone": book.zone,
            },
            "sheets": [
                _sheet(sheet, index, areas, with_cells=with_cells and has_data)
                for index, sheet in enumerate(book.sheets)
                if not areas or any(area.sheet is sheet for area in areas)
            ],
            "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{book.id}/edit",
        }
        if book.named:
            answer["namedRanges"] = [
                {"namedRangeId": name, "name": name, "range": _bounds(a1.parse(book, name))}
                for name in book.named
            ]
        return answer if mask is None else masks.apply(mask, answer)

    def _batch(self, request: Request, user: str | None) -> Any:
        book = self._book(request, user)
        options = _options(request)
        value_ranges = [
            cells.values(a1.parse(book, text), *options)
            for text in request.query_params.getlist("ranges")
        ]
        answer = {"spreadsheetId": book.id, "valueRanges": value_ranges}
        if "fields" in request.query_params:
            return masks.apply(masks.parse(request.query_params["fields"], masks.VALUES), answer)
        return answer

    def _values(self, request: Request, user: str | None) -> Any:
        book = self._book(request, user)
        return cells.values(a1.parse(book, request.path_params["range"]), *_options(request))

    def _file(self, request: Request, user: str | None) -> Any:
        book = self.books.get(request.path_params["id"])
        if book is None or (not book.public and user not in book.readers):
            message = f"File not found: {request.path_params['id']}."
            raise ApiError(404, message, reason="notFound")
        fields = request.query_params.get("fields", "kind,id,name,mimeType")
        moment = (_BEGIN + timedelta(seconds=book.modified)).isoformat(timespec="milliseconds")
        answer = {
            "kind": "drive#file",
            "id": book.id,
            "name": book.title,
            "mimeType": book.mime,
            "modifiedTime": moment.replace("+00:00", "Z"),
            "createdTime": "2026-01-05T08:00:00.000Z",
            "version": str(book.version),
            "trashed": book.trashed,
        }
        return masks.apply(masks.parse(fields, masks.FILE), answer)


def _options(request: Request) -> tuple[str, str, str]:
    query = request.query_params
    options = (
        query.get("valueRenderOption", "FORMATTED_VALUE"),
        query.get("dateTimeRenderOption", "SERIAL_NUMBER"),
        query.get("majorDimension", "ROWS"),
    )
    names = ("value_render_option", "date_time_render_option", "major_dimension")
    for name, value, known in zip(
        names, options, (_RENDERS, _DATES, {"ROWS", "COLUMNS"}), strict=True
    ):
        if value not in known:
            raise ApiError(400, f"Invalid value at '{name}', \"{value}\"")
    return options


def _sheet(sheet: Any, index: int, areas: list[a1.Area], *, with_cells: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "sheetId": sheet.gid,
        "title": sheet.title,
        "index": index,
        "sheetType": sheet.kind,
    }
    # A chart is a tab without a grid.
    if sheet.kind == "GRID":
        properties["gridProperties"] = {"rowCount": sheet.rows, "columnCount": sheet.columns}
    # Properties with their default are left out.
    if sheet.hidden:
        properties["hidden"] = True
    answer: dict[str, Any] = {"properties": properties}
    if sheet.merges:
        answer["merges"] = sheet.merges
    if with_cells and sheet.kind == "GRID":
        full_area = a1.Area(sheet, 0, 0, sheet.rows, sheet.columns)
        mine = [area for area in areas if area.sheet is sheet] or [full_area]
        answer["data"] = [cells.grid(area) for area in mine]
    return answer


def _bounds(area: a1.Area) -> dict[str, int]:
    bounds = {
        "sheetId": area.sheet.gid,
        "startRowIndex": area.top,
        "endRowIndex": area.bottom,
        "startColumnIndex": area.left,
        "endColumnIndex": area.right,
    }
    return {name: value for name, value in bounds.items() if value or name != "sheetId"}


def _json(payload: Any, status: int = 200) -> Response:
    return json_response(payload, status, media_type="application/json; charset=UTF-8")
