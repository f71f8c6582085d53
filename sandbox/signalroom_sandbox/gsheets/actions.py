"""Control actions: edits of spreadsheets, and changes of accounts."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from signalroom_sandbox.actions import VendorActions, actions_of, fields_action, read_only
from signalroom_sandbox.gsheets.access import CLIENT_EMAIL, PERSON, Access
from signalroom_sandbox.gsheets.world import Sheet, Spreadsheet


class Actions(VendorActions):
    """Control actions of Google."""

    access = fields_action(
        Access, "access", "Change the quota, the tokens' lifetime, and the accounts."
    )

    def expire(self) -> None:
        """Expire all tokens before their time."""
        self._vendor.access.tokens.clear()

    def spreadsheet(
        self,
        id_: str,
        tabs: list[dict[str, Any]],
        title: str = "Made by a test",
        named: dict[str, tuple[str, str]] | None = None,
        **fields: Any,
    ) -> None:
        """Create a spreadsheet; `tabs` have the fields of `edit`, others are those of `file`."""
        sheets = [msgspec.convert({"gid": number, **tab}, Sheet) for number, tab in enumerate(tabs)]
        self._vendor.books[id_] = Spreadsheet(
            id_, title, sheets, named=named or {}, readers={CLIENT_EMAIL, PERSON}
        )
        self.file(id_, **fields)

    def file(
        self,
        id_: str,
        *,
        public: bool | None = None,
        readers: list[str] | None = None,
        mime: str | None = None,
        trashed: bool | None = None,
        locale: str | None = None,
        zone: str | None = None,
        version: int | None = None,
    ) -> None:
        """Change a spreadsheet."""
        _set_fields(
            self._vendor.books[id_],
            public=public,
            readers=readers,
            mime=mime,
            trashed=trashed,
            locale=locale,
            zone=zone,
            version=version,
        )

    def edit(
        self,
        id_: str,
        gid: int,
        *,
        cells: list[list[Any]] | None = None,
        title: str | None = None,
        hidden: bool | None = None,
        merges: list[dict[str, int]] | None = None,
        seen_by_drive: bool = True,
    ) -> None:
        """Edit a tab; Drive reports the new version only with `seen_by_drive`."""
        book, sheet = self._vendor.books[id_], self._sheet(id_, gid)
        _set_fields(sheet, cells=cells, title=title, hidden=hidden, merges=merges)
        sheet.fit()
        if seen_by_drive:
            book.version += 1
            book.modified += 60

    def delete_tab(self, id_: str, gid: int) -> None:
        """Delete a tab."""
        self._vendor.books[id_].sheets.remove(self._sheet(id_, gid))
        self._vendor.books[id_].version += 1

    @read_only
    def cells(self, id_: str, gid: int) -> list[list[Any]]:
        """The cells of a tab."""
        return self._sheet(id_, gid).cells

    def then(self, after: str, action: str, **arguments: Any) -> None:
        """Run an action after the next response of a kind (`get`, `values`, `file`)."""
        (chosen,) = [item for item in actions_of(type(self)) if item.name == action]  # type: ignore[arg-type]
        self._vendor.between.append((after, partial(chosen.run, self, arguments)))

    def _sheet(self, id_: str, gid: int) -> Sheet:
        for sheet in self._vendor.books[id_].sheets:
            if sheet.gid == gid:
                return sheet  # type: ignore[no-any-return]
        msg = f"no tab {gid} in {id_}"
        raise LookupError(msg)


def _set_fields(target: Any, **values: Any) -> None:
    """Set the attributes whose value is not None."""
    for name, value in values.items():
        if value is not None:
            setattr(target, name, value)
