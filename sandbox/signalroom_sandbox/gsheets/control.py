"""What a test does to Google, and what people do to their sheets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.gsheets.access import CLIENT_EMAIL, PERSON
from signalroom_sandbox.gsheets.world import Sheet, Spreadsheet

if TYPE_CHECKING:
    from signalroom_sandbox.gsheets.api import Google


class Actions:
    """What a test does.

    Args:
        google: To whom.
    """

    def __init__(self, google: Google) -> None:
        self._google = google

    def access(self, **changes: Any) -> None:
        """Set ``per_user``, ``lifetime``, ``revoked``, ``delegates``."""
        for name, value in changes.items():
            if name not in {"per_user", "lifetime", "revoked", "delegates"}:
                raise KeyError(name)
            setattr(self._google.access, name, value)

    def expire(self) -> None:
        """Let all tokens be over before their time."""
        self._google.access.tokens.clear()

    def latency(self, seconds: float) -> None:
        """Let each answer take so long."""
        self._google.latency = float(seconds)

    def spreadsheet(self, id: str, tabs: list[dict[str, Any]], **fields: Any) -> None:  # noqa: A002
        """Make a spreadsheet, or another of the same id: ``gid``, ``title``, ``cells``, ..."""
        named = {name: tuple(area) for name, area in fields.pop("named", {}).items()}
        book = Spreadsheet(
            id,
            fields.pop("title", "Made by a test"),
            [Sheet(**{"gid": number, **tab}) for number, tab in enumerate(tabs)],
            named=named,
            readers={CLIENT_EMAIL, PERSON},
        )
        self._google.books[id] = book
        self.file(id, **fields)

    def file(self, id: str, **fields: Any) -> None:  # noqa: A002
        """Change ``public``, ``mime``, ``trashed``, ``locale``, ``zone``, ``readers``, ..."""
        book = self._google.books[id]
        for name, value in fields.items():
            if not hasattr(book, name):
                raise KeyError(name)
            setattr(book, name, value)

    def edit(  # a person's hand
        self,
        id: str,  # noqa: A002
        gid: int,
        *,
        seen_by_drive: bool = True,
        **fields: Any,
    ) -> None:
        """Change a tab's ``cells``, ``title``, ``hidden``, ``merges``; Drive may be late to see."""
        book = self._google.books[id]
        (sheet,) = [sheet for sheet in book.sheets if sheet.gid == gid]
        for name, value in fields.items():
            if not hasattr(sheet, name):
                raise KeyError(name)
            setattr(sheet, name, value)
        sheet.fit()
        if seen_by_drive:
            book.version += 1
            book.modified += 60

    def delete_tab(self, id: str, gid: int) -> None:  # noqa: A002
        """Delete a tab."""
        book = self._google.books[id]
        book.sheets = [sheet for sheet in book.sheets if sheet.gid != gid]
        book.version += 1

    def cells(self, id: str, gid: int) -> list[list[Any]]:  # noqa: A002
        """A tab's cells."""
        (sheet,) = [sheet for sheet in self._google.books[id].sheets if sheet.gid == gid]
        return sheet.cells

    def then(self, after: str, action: str, **given: Any) -> None:
        """After the next answer of a kind (``get``, ``values``, ``file``), do this."""
        self._google.between.append((after, partial(getattr(self, action), **given)))
